package verify

import (
	"context"

	"bitmend/hashsets/manifest"
	"bitmend/scrub/finding"
)

// Collected is what lists say of one file, which was not read.
type Collected struct {
	Folder  string // that the name is below: absolute, with no symbolic link in it
	Name    string // slash-separated, below Folder: bytes
	Size    int64  // manifest.NoSize when no list says
	Digests []Sourced
}

// Sourced is a checksum, and the list that it is of.
type Sourced struct {
	manifest.Digest
	List *List
	Line int
}

// Path is where the list stands.
func (l *List) Path() string { return l.full }

// Collect reads lists as Run does, and hands on what they say of each file, in
// the order in which they first name it, without checking anything. What
// cannot be taken from them, for they contradict each other or offer
// alternatives, and what is wrong with them is told to rep. An error of take
// ends it.
func Collect(ctx context.Context, opts Options, rep Reporter, take func(Collected) error) error {
	r := &run{opts: opts, rep: rep, table: newTable(), roots: newRoots()}
	r.sum.Verdicts, r.sum.Counts = map[finding.Verdict]int64{}, map[Status]int64{}
	defer r.roots.close()
	found, err := r.find(ctx)
	if err != nil {
		return err
	}
	r.found = found
	for _, s := range found.sources {
		if err := r.take(ctx, s); err != nil {
			return err
		}
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	for i := range r.table.files {
		f := &r.table.files[i]
		said, _ := r.table.said(f)
		c := Collected{Folder: f.at.root.real, Name: f.at.name, Size: manifest.NoSize}
		if why := c.gather(said); why != "" {
			r.tell(&Result{Folder: f.at.root.shown, Name: f.at.name, Status: Conflict, Reason: why, Said: said})
			continue
		}
		if err := take(c); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// gather takes together what entries say of one file. It returns why it cannot.
func (c *Collected) gather(said []Said) (why string) {
	for _, s := range said {
		if s.any && len(s.Digests) > 1 {
			return "a list gives several checksums of which any one is enough"
		}
		if s.Size >= 0 && c.Size >= 0 && s.Size != c.Size {
			return "lists give different sizes"
		}
		c.Size = max(c.Size, s.Size)
		for _, d := range s.Digests {
			for _, other := range c.Digests {
				if other.Algorithm == d.Algorithm && string(other.Sum) != string(d.Sum) {
					return "lists give different checksums of " + string(d.Algorithm)
				}
			}
			c.Digests = append(c.Digests, Sourced{Digest: d.Digest, List: s.List, Line: s.Line})
		}
	}
	return ""
}
