package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"bitmend/hashsets/manifest"
	"bitmend/scrub/report"
)

// ErrRevision is that Git cannot say what changed since a revision, for a
// reason that whoever asked can mend. It is wrapped with what that is.
var ErrRevision = errors.New("the revision cannot be compared with")

type revisionError string

func (e revisionError) Error() string { return string(e) }
func (e revisionError) Unwrap() error { return ErrRevision }

// Changes are the files that differ between a revision of Git and what is
// there now: changed, added, deleted, under their old and new names when
// renamed, and those that Git does not track, of which it cannot know.
type Changes struct {
	paths   map[string]bool // full
	folders map[string]bool // full; of checksum lists that changed
}

// Touched tells whether a file or one of the lists that speak of it changed. A
// file that none speaks of counts as touched when a list of its folder, or of
// one above, did: that may have covered it.
func (c *Changes) Touched(full string, lists []string) bool {
	if c.changed(full) || slices.ContainsFunc(lists, c.changed) {
		return true
	}
	return lists == nil && within(c.folders, filepath.Dir(full))
}

// changed tells whether a path changed, or a folder above it of which Git
// knows no more: a submodule, another repository.
func (c *Changes) changed(full string) bool { return within(c.paths, full) }

// within tells whether a set has a path or one above it.
func within(set map[string]bool, full string) bool {
	for {
		if set[full] {
			return true
		}
		above := filepath.Dir(full)
		if above == full {
			return false
		}
		full = above
	}
}

// noRevision is what takes the place of the revision before the first push of
// a branch, in the events of GitHub and GitLab.
func noRevision(rev string) bool { return len(rev) >= 40 && strings.Trim(rev, "0") == "" }

// ChangedSince asks Git what changed since a revision, in the repositories that
// the given paths are in. It returns nil where the revision stands for none, so
// that everything is new.
func ChangedSince(ctx context.Context, rev string, paths []string) (*Changes, error) {
	if noRevision(rev) {
		return nil, nil
	}
	if rev == "" || rev[0] == '-' {
		return nil, revisionError(fmt.Sprintf("%q is no revision of Git", rev))
	}
	changes := &Changes{paths: map[string]bool{}, folders: map[string]bool{}}
	asked := map[string]bool{}
	for _, given := range paths {
		top, err := repositoryOf(ctx, given)
		if err != nil {
			return nil, err
		}
		if asked[top] {
			continue
		}
		asked[top] = true
		if err := changes.in(ctx, top, rev); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// in adds what changed in one repository.
func (c *Changes) in(ctx context.Context, top, rev string) error {
	commit, err := commitOf(ctx, top, rev)
	switch {
	case errors.Is(err, ErrRevision) && rev == "HEAD" && isUnborn(ctx, top):
		c.add(top) // before the first commit all is new
		return nil
	case err != nil:
		return err
	}
	for _, args := range [][]string{
		{"diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", commit, "--"},
		{"ls-files", "--others", "-z"},
	} {
		names, err := git(ctx, top, args...)
		if err != nil {
			return fmt.Errorf("asking what changed since %s in %s: %w", rev, top, err)
		}
		for name := range bytes.SplitSeq(names, []byte{0}) {
			if name := strings.TrimSuffix(string(name), "/"); name != "" { // a repository within has a slash
				c.add(filepath.Join(top, filepath.FromSlash(name)))
			}
		}
	}
	return nil
}

func (c *Changes) add(full string) {
	c.paths[full] = true
	if manifest.Promises(filepath.ToSlash(full)) {
		c.folders[filepath.Dir(full)] = true
	}
}

// repositoryOf returns the top of the working tree that a path is in.
func repositoryOf(ctx context.Context, given string) (string, error) {
	dir, err := filepath.Abs(given)
	if err != nil {
		return "", fmt.Errorf("looking for the repository of %s: %w", given, err)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	out, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	switch {
	case errors.Is(err, errRefused):
		return "", revisionError(fmt.Sprintf("%s is in no working tree of Git: %v", given, err))
	case err != nil:
		return "", err
	}
	top := filepath.FromSlash(strings.TrimSuffix(string(out), "\n"))
	if real, err := filepath.EvalSymlinks(top); err == nil {
		top = real
	}
	return top, nil
}

// commitOf returns the name of the commit that a revision stands for.
func commitOf(ctx context.Context, top, rev string) (string, error) {
	out, err := git(ctx, top, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	switch {
	case err == nil:
		return strings.TrimSpace(string(out)), nil
	case !errors.Is(err, errRefused):
		return "", err
	}
	shallow, err := git(ctx, top, "rev-parse", "--is-shallow-repository")
	if err == nil && strings.TrimSpace(string(shallow)) == "true" {
		return "", revisionError(fmt.Sprintf("%s has no revision %q, and is a shallow clone: fetch the history with it\n"+
			"(fetch-depth: 0 of actions/checkout, GIT_DEPTH: 0 of GitLab, or: git fetch --unshallow)", top, rev))
	}
	return "", revisionError(fmt.Sprintf("%s has no revision %q", top, rev))
}

// isUnborn tells whether a repository has no commit yet.
func isUnborn(ctx context.Context, top string) bool {
	commits, err := git(ctx, top, "rev-list", "--all", "-n", "1")
	return err == nil && len(commits) == 0
}

// errRefused is that Git ran, and would not do what it was asked for.
var errRefused = errors.New("git")

// git runs Git in a folder and returns what it says. Variables by which a hook
// is told of the repository would hold for another folder than theirs.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX":
			return true
		}
		return false
	})
	cmd.Env = append(cmd.Env, "GIT_OPTIONAL_LOCKS=0")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &exit):
		return nil, fmt.Errorf("%w %s: %s", errRefused, args[0], report.Escape(strings.TrimSpace(said.String())))
	case err != nil:
		return nil, fmt.Errorf("running git, which --changed-since needs: %w", err)
	}
	return out, nil
}
