package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/store/s3"
)

// unfinishedFile is the configuration while Init is at work: a vault that has
// it and no ConfigFile is what an Init left that was killed.
const unfinishedFile = ConfigFile + ".unfinished"

// ErrNotEmpty is returned by Init for a directory that holds something.
var ErrNotEmpty = errors.New("not empty")

// Init makes a vault in dir with a commented bitmend.toml, an empty catalog
// and its folders. The directory must be missing or empty, or be what an Init
// left that was killed. The stores must be there.
func Init(ctx context.Context, dir string, c Config) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("finding the vault: %w", err)
	}
	c.Algorithms, c.Stores = slices.Clone(c.Algorithms), slices.Clone(c.Stores)
	c.fillIn()
	if err := c.checkNew(ctx, dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the vault: %w", err)
	}
	if err := checkEmpty(dir); err != nil {
		return err
	}
	l, err := takeLock(ctx, dir, filepath.Join(dir, lockFile), "init")
	if err != nil {
		return err
	}
	if err := fill(ctx, dir, c); err != nil {
		return errors.Join(fmt.Errorf("making the vault %s: %w", dir, err), l.release())
	}
	return l.release()
}

// checkNew checks a configuration that does not come from a file, and that its
// stores are there: a slip in a path is found now and not in the first night.
func (c *Config) checkNew(ctx context.Context, dir string) error {
	r := &complaints{}
	c.check(r)
	if err := r.err(); err != nil {
		return err
	}
	for _, s := range c.Stores {
		if err := isThere(ctx, s, dir); err != nil {
			r.add("", "store %q: %w", s.Name, err)
		}
	}
	c.checkPlaces(dir, r)
	return r.err()
}

// isThere returns an error unless the directory or the bucket of a store is
// there.
func isThere(ctx context.Context, c StoreConfig, dir string) error {
	if isBucket(c.URL) {
		bucket, err := s3.Open(c.Name, c.URL, s3.Options{})
		if err != nil {
			return err
		}
		_, err = bucket.Probe(ctx)
		return errors.Join(err, bucket.Close())
	}
	root, err := rootOf(c.URL, dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	return err
}

// checkEmpty returns ErrNotEmpty unless dir holds nothing, or what a killed
// Init left.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking into the vault: %w", err)
	}
	if exists(filepath.Join(dir, ConfigFile)) {
		return fmt.Errorf("%s is %w: it is a vault already", dir, ErrNotEmpty)
	}
	unfinished := exists(filepath.Join(dir, unfinishedFile))
	for _, e := range entries {
		name := e.Name()
		ours := slices.Contains(folders(), name) || strings.HasPrefix(name, catalogFile) || name == unfinishedFile
		if name != lockFile && !(unfinished && ours) {
			return fmt.Errorf("%s is %w: it holds %q, and a new vault must not", dir, ErrNotEmpty, name)
		}
	}
	return nil
}

// fill makes everything in the vault. The configuration is named last, so that
// a directory with one is a whole vault.
func fill(ctx context.Context, dir string, c Config) error {
	if err := checkEmpty(dir); err != nil { // again, under the lock
		return err
	}
	unfinished := filepath.Join(dir, unfinishedFile)
	if err := writeDurably(unfinished, c.render()); err != nil {
		return err
	}
	if err := makeFolders(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(c.parityRoot(dir), 0o700); err != nil {
		return err
	}
	if err := removeCatalog(dir); err != nil {
		return err
	}
	known, err := catalog.Create(ctx, filepath.Join(dir, catalogFile))
	if err != nil {
		return err
	}
	if err := known.Close(); err != nil {
		return err
	}
	if err := os.Rename(unfinished, filepath.Join(dir, ConfigFile)); err != nil {
		return err
	}
	return syncDirectory(dir)
}

// removeCatalog removes the catalog, and the files that belong to it, of an
// Init that was killed.
func removeCatalog(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), catalogFile) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
