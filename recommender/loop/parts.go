package loop

import "context"

// Parts are the parts of a round, for those that measure them one by one. None may be called while the loop is started.
type Parts struct {
	// Match takes over what happened to pods, Track what happened to VPAs (and restores new ones from checkpoints), Fold live metrics.
	Match, Track, Fold func(context.Context)
	// Review decides for every VPA, and queues what is to be written.
	Review func()
	// SaveAll queues all checkpoints that are unsaved, due or not; Write writes all that is queued.
	// Checkpoint queues those that are due.
	SaveAll           func()
	Checkpoint, Write func(context.Context)
}

// Parts returns the loop's.
func (l *Loop) Parts() Parts {
	return Parts{
		Match:   func(ctx context.Context) { l.match(ctx) },
		Track:   func(ctx context.Context) { l.track(ctx) },
		Fold:    l.fold,
		Review:  func() { l.review(l.all()) },
		SaveAll: l.saveAll, Checkpoint: l.checkpoint,
		Write: func(ctx context.Context) {
			for !l.backlog.empty() && ctx.Err() == nil {
				l.write(ctx)
			}
		},
	}
}
