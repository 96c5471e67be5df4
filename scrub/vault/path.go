package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// suffix makes the name of a vault from that of its tree.
const suffix = ".bitmend"

// PathFor returns the vault that stands for the tree dir: dir.bitmend, beside
// it and not in it. A tree that has nothing beside it, such as the root of the
// file system, is an error.
func PathFor(dir string) (string, error) {
	tree, err := treePath(dir)
	if err != nil {
		return "", err
	}
	if filepath.Dir(tree) == tree {
		return "", fmt.Errorf("%s has no place beside it for its vault, and a vault must not be inside of what it protects; "+
			"give a folder below it, or make a vault for several folders with: bitmend init VAULT --store NAME=DIR …", tree)
	}
	if strings.HasSuffix(tree, suffix) && exists(filepath.Join(tree, ConfigFile)) {
		return "", fmt.Errorf("%s is a vault itself; give the folder that it protects, or --vault %s", tree, tree)
	}
	return tree + suffix, nil
}

// treePath returns dir as an absolute path without a trailing slash. Symbolic
// links stay as they are written, unless a ".." after one means another place
// than it seems to.
func treePath(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("the name of the folder is empty")
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the folder %s: %w", dir, err)
	}
	meant, err := os.Stat(dir)
	if err != nil {
		return path, nil // it may be lost, or come back: its vault is where it was
	}
	if cleaned, err := os.Stat(path); err == nil && os.SameFile(meant, cleaned) {
		return path, nil
	}
	if path, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("finding the folder %s: %w", dir, err)
	}
	return filepath.Abs(path)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
