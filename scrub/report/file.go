package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// WriteFile writes a file for others to read, who find either all of what
// write writes there or what was there before: it is written beside under
// another name, synced, and renamed.
func WriteFile(path string, write func(io.Writer) error) error {
	if err := writeBeside(path, write); err != nil {
		return fmt.Errorf("write %s: %w", Name(path), err)
	}
	return nil
}

// writeBeside keeps the name of the unfinished file from ending as path does:
// who collects files by their ending must not take it for one.
func writeBeside(path string, write func(io.Writer) error) (err error) {
	dir, base := filepath.Split(path)
	unfinished := filepath.Join(dir, fmt.Sprintf(".%s.%d.unfinished", base, os.Getpid()))
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(unfinished))
		}
	}()
	buffered := bufio.NewWriter(f)
	err = errors.Join(write(buffered), buffered.Flush(), f.Sync())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return err
	}
	return syncFolder(filepath.Clean(dir + "."))
}

// syncFolder makes the names in a folder durable, where the platform has a way
// to.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be opened for that
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
