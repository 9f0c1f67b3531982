package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	tailLines = 12
	tailBytes = 8 << 10 // read from the log's end; a stack trace's line can be long
)

// Unexpected waits for the end and says whether nobody had asked for it.
func (c *Process) Unexpected() bool {
	<-c.done
	return !c.told.Load()
}

// Died describes the end of a process that was to run on: how, and the log's last lines.
func (c *Process) Died() error {
	how := "exit status 0"
	if err := c.Err(); err != nil {
		how = err.Error()
	}
	return fmt.Errorf("%s (pid %d) ended by itself: %s\n%s", c.name, c.Pid(), how, c.tail())
}

// tail is the end of the log, indented, under its path.
func (c *Process) tail() string {
	lines, err := Tail(c.log, tailLines)
	if err != nil {
		return fmt.Sprintf("its log: %v", err)
	}
	if lines == "" {
		return "it wrote nothing to " + c.log
	}
	return fmt.Sprintf("last lines of %s:\n  %s", c.log, strings.ReplaceAll(lines, "\n", "\n  "))
}

// Tail is the last n lines of the file at path, without the final newline.
func Tail(path string, n int) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	if _, err := file.Seek(max(0, size-tailBytes), io.SeekStart); err != nil {
		return "", err
	}
	end, err := io.ReadAll(file)
	if err != nil {
		return "", err
	}
	lines := bytes.Split(bytes.TrimRight(end, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))), nil
}
