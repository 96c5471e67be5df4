package verify

import (
	"context"
	"maps"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
)

// settle finds out which algorithm checksums are of that name none, where
// several have their length: it tries all of them on one file. What matches is
// proof; where none does, the usual one stays.
func (r *run) settle(ctx context.Context) error {
	for _, l := range r.table.lists {
		if !l.guessed {
			continue
		}
		tried := map[hashsets.Algorithm]bool{}
		err := r.onOneFile(ctx, l, func(at place, d manifest.Digest) bool {
			if !d.Guessed || tried[d.Algorithm] {
				return false
			}
			tried[d.Algorithm] = true
			a, straight := match(ctx, at, d)
			if !straight {
				return false
			}
			l.settled = maps.Clone(l.settled)
			if l.settled == nil {
				l.settled = map[hashsets.Algorithm]hashsets.Algorithm{}
			}
			l.settled[d.Algorithm] = a
			if a != d.Algorithm {
				r.rep.Note("%s names no algorithm; its checksums are of %s", l.Name, a)
			}
			return false
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lookedFor is how many files of a list are looked for to try an algorithm on.
const lookedFor = 100

// onOneFile calls try with files of a list that are there and their first
// checksums, until it returns true.
func (r *run) onOneFile(ctx context.Context, l *List, try func(at place, d manifest.Digest) bool) error {
	looked := 0
	for i := range r.table.files {
		f := &r.table.files[i]
		said, _ := r.table.said(f)
		k := slices.IndexFunc(said, func(s Said) bool { return s.List == l && len(s.Digests) > 0 })
		if k < 0 {
			continue
		}
		if looked++; looked > lookedFor {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if f.at.isThere() && try(f.at, said[k].Digests[0].Digest) {
			return nil
		}
	}
	return nil
}

// match returns the algorithm under which a file has a checksum: straight, or
// with its bytes reversed; "" for none.
func match(ctx context.Context, at place, d manifest.Digest) (a hashsets.Algorithm, straight bool) {
	f, _, err := openFile(at)
	if err != nil {
		return "", false
	}
	defer f.Close() // it was only read from
	all := append([]hashsets.Algorithm{d.Algorithm}, manifest.Alternatives(d.Algorithm)...)
	sums, _, err := newHashPool().sums(ctx, f, all)
	if err != nil {
		return "", false
	}
	for _, a := range all {
		if string(sums[a]) == string(d.Sum) {
			return a, true
		}
	}
	backwards := slices.Clone(d.Sum)
	slices.Reverse(backwards)
	for _, a := range all {
		if string(sums[a]) == string(backwards) {
			return a, false
		}
	}
	return "", false
}

// suggest names the option that helps where every file of a list mismatches:
// another algorithm, or another order of bytes. It tries them on one file.
func (r *run) suggest(ctx context.Context) error {
	for _, l := range r.table.lists {
		if l.Counts[Bad] == 0 || l.Counts[OK]+l.Counts[Conflict] > 0 {
			continue
		}
		err := r.onOneFile(ctx, l, func(at place, d manifest.Digest) bool {
			option := ""
			a, straight := match(ctx, at, d)
			if a != "" && a != d.Algorithm {
				option = " --algorithm " + string(a)
			}
			if a != "" && !straight {
				option += " --little-endian"
			}
			if option != "" {
				r.rep.Note("%s: every file of it mismatches, and one that was tried matches with%s", l.Name, option)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}
