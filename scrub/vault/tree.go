package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PrimaryName is what the store of a vault is called that was made for a tree.
const PrimaryName = "primary"

// OpenOrInit opens the vault that stands for a tree, and makes it on first
// use: with the tree as its one store and the default configuration. made
// tells whether it did.
func OpenOrInit(ctx context.Context, tree, verb string) (v *Vault, made bool, err error) {
	dir, err := PathFor(tree)
	if err != nil {
		return nil, false, err
	}
	return OpenOrInitAt(ctx, dir, tree, verb)
}

// OpenOrInitAt is OpenOrInit for a vault that stands elsewhere.
func OpenOrInitAt(ctx context.Context, dir, tree, verb string, opts ...LockOption) (v *Vault, made bool, err error) {
	v, err = openTreeAt(ctx, dir, tree, verb, opts...)
	if !errors.Is(err, ErrNoVault) || lostConfig(dir) {
		return v, false, err
	}
	notMade := initTreeAt(ctx, dir, tree)
	if notMade != nil && !errors.Is(notMade, ErrNotEmpty) {
		return nil, false, notMade
	}
	v, err = openTreeAt(ctx, dir, tree, verb, opts...)
	if notMade != nil && errors.Is(err, ErrNoVault) {
		return nil, false, notMade // something else stands there
	}
	return v, notMade == nil, err // or another run has made it just now
}

// InitTree makes the vault that stands for a tree, beside it.
func InitTree(ctx context.Context, tree string) error {
	dir, err := PathFor(tree)
	if err != nil {
		return err
	}
	return initTreeAt(ctx, dir, tree)
}

func initTreeAt(ctx context.Context, dir, tree string) error {
	path, err := treePath(tree)
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("finding the vault: %w", err)
	}
	url := path
	if filepath.Dir(dir) == filepath.Dir(path) {
		url = filepath.Join("..", filepath.Base(path)) // so that tree and vault can be moved together
	}
	return Init(ctx, dir, DefaultConfig(StoreConfig{Name: PrimaryName, URL: url, Role: Primary}))
}

// OpenTree opens the vault that stands for a tree, as Open does.
func OpenTree(ctx context.Context, tree, verb string) (*Vault, error) {
	dir, err := PathFor(tree)
	if err != nil {
		return nil, err
	}
	return openTreeAt(ctx, dir, tree, verb)
}

func openTreeAt(ctx context.Context, dir, tree, verb string, opts ...LockOption) (*Vault, error) {
	v, err := Open(ctx, dir, verb, opts...)
	if err != nil {
		return nil, err
	}
	if err := v.CheckTree(tree); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// CheckTree returns an error unless the tree is the vault's primary store: a
// vault that was found by the tree's name may be another's.
func (v *Vault) CheckTree(tree string) error {
	path, err := treePath(tree)
	if err != nil {
		return err
	}
	primary := v.Primary()
	root, err := rootOf(primary.URL, v.Dir)
	if err != nil {
		return fmt.Errorf("store %q: %w", primary.Name, err)
	}
	if sameDirectory(realPath(path), realPath(root)) {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("the vault %s protects %s, and %s is not there: %w", v.Dir, root, path, err)
	}
	return &ConfigError{File: filepath.Join(v.Dir, ConfigFile), Err: fmt.Errorf(
		"this vault protects %s and not %s; if that folder was moved, change the url of store %q", root, path, primary.Name)}
}

// CheckTree returns an error where the vault in dir keeps other stores than
// the tree that somebody has given: what it says would be of something else. A
// tree that is not there may be lost, and a vault that is none is for whoever
// opens it to tell of.
func CheckTree(dir, tree string) error {
	path, err := treePath(tree)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	c, _, err := load(dir)
	if err != nil {
		return nil
	}
	var roots []string
	for _, s := range c.Stores {
		root, err := rootOf(s.URL, dir)
		if err != nil || isBucket(s.URL) {
			continue
		}
		if sameDirectory(realPath(path), realPath(root)) {
			return nil
		}
		roots = append(roots, root)
	}
	return &ConfigError{File: filepath.Join(dir, ConfigFile), Err: fmt.Errorf(
		"this vault protects %s and not %s; if that folder was moved, change the url of its store", strings.Join(roots, " and "), path)}
}
