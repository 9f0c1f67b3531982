package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// takeBlocks puts the TSDB blocks of the folder from into the folder data. Their files are linked
// where the file system can: Prometheus never changes one in place.
func takeBlocks(from, data string, live bool) error {
	if from == "" {
		return nil
	}
	metas, err := filepath.Glob(filepath.Join(from, "*", "meta.json"))
	if err != nil || len(metas) == 0 {
		return errors.Join(fmt.Errorf("no TSDB block (a folder with a meta.json) in %q", from), err)
	}
	for _, meta := range metas {
		if live {
			if err := endsInPast(meta); err != nil {
				return err
			}
		}
		block := filepath.Dir(meta)
		if err := linkTree(block, filepath.Join(data, filepath.Base(block))); err != nil {
			return fmt.Errorf("take block %s: %w", block, err)
		}
	}
	return nil
}

// endsInPast refuses a block that reaches past now: Prometheus drops live samples older than the end
// of its newest block, silently but for a counter.
func endsInPast(meta string) error {
	text, err := os.ReadFile(meta)
	if err != nil {
		return fmt.Errorf("read block: %w", err)
	}
	var block struct {
		MaxTime int64 `json:"maxTime"` // milliseconds since 1970, exclusive
	}
	if err := json.Unmarshal(text, &block); err != nil {
		return fmt.Errorf("read block %s: %w", meta, err)
	}
	if end := time.UnixMilli(block.MaxTime); end.After(time.Now()) {
		return fmt.Errorf("block %s ends at %s, in the future: until then Prometheus would drop what it scrapes; write blocks that end by now",
			filepath.Dir(meta), end.Format(time.RFC3339))
	}
	return nil
}

// linkTree makes the folder to with the files of the folder from, as hard links, or as copies where
// the file system cannot link.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, inside)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		err = os.Link(path, target)
		if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK) {
			return copyFile(path, target)
		}
		return err
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
