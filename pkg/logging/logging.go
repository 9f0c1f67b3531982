// Package logging sets up the log that both programs write. It is the only package that knows zap;
// everything else is given a logr.Logger.
package logging

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// Formats that Options.Format may name.
const (
	FormatJSON    = "json"
	FormatConsole = "console"
)

const (
	// maxVerbosity is the lowest level of zap's, which are bytes.
	maxVerbosity = 127
	// mostShown is the highest level that is written, whatever is asked for. From 8 on client-go writes requests and answers
	// whole: the key of the webhook's certificate authority, and what is secret in the environment of pods.
	mostShown = 7
)

// Options says how much is logged, and in which form.
type Options struct {
	// Verbosity is the highest level that is written: 0 is what an operator needs, 1 and above are
	// for looking closer, as in klog. Above 7 nothing is added.
	Verbosity int
	// Format is FormatJSON (one object a line) or FormatConsole (for people).
	Format string
}

// AddFlags registers --v and --log-format with o's fields as defaults.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	if o.Format == "" {
		o.Format = FormatJSON
	}
	fs.IntVarP(&o.Verbosity, "v", "v", o.Verbosity, "How much is logged: 0 for what an operator needs, higher for more.")
	fs.StringVar(&o.Format, "log-format", o.Format, "What a line of the log looks like: json or console.")
}

// Validate reports the first option that cannot be used.
func (o *Options) Validate() error {
	if o.Verbosity < 0 || o.Verbosity > maxVerbosity {
		return fmt.Errorf("--v=%d: must be between 0 and %d", o.Verbosity, maxVerbosity)
	}
	if o.Format != FormatJSON && o.Format != FormatConsole {
		return fmt.Errorf("--log-format=%q: must be %s or %s", o.Format, FormatJSON, FormatConsole)
	}
	return nil
}

// installed: klog's logger may be set only while nothing logs, so that the first one stays.
var installed sync.Once

// Install makes log the one that client-go and controller-runtime write to as well. It is for mains: what is installed
// once stays until the process ends.
func Install(log logr.Logger) {
	installed.Do(func() {
		klog.SetLogger(log)
		ctrllog.SetLogger(log)
	})
}

// New returns a logger that writes to w. Times are UTC in RFC 3339 with milliseconds.
func New(w io.Writer, o Options) logr.Logger {
	cfg := zap.NewProductionEncoderConfig()
	cfg.TimeKey = "time"
	cfg.EncodeTime = func(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
		enc.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	cfg.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(cfg)
	if o.Format == FormatConsole {
		encoder = zapcore.NewConsoleEncoder(cfg)
	}
	// zapr maps V(n) to zap level -n.
	level := zapcore.Level(-min(o.Verbosity, mostShown))
	return zapr.NewLogger(zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)))
}
