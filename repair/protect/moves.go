package protect

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"

	"github.com/cespare/xxhash/v2"

	"bitmend/hashsets"
	"bitmend/scrub/store"
)

// A sighted is a vanished file that may turn up under another name.
type sighted struct {
	key uint64 // of size, modification time and inode
	at  int64  // of the vanished one among the matters
	to  int64  // of the new name among the matters that it is promised to; nowhere when there is none
}

// nowhere is the position of nothing.
const nowhere = -1

// keyOf sums up what a rename leaves as it was.
func keyOf(id hashsets.Identity) uint64 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[0:], uint64(id.Size))
	binary.LittleEndian.PutUint64(b[8:], uint64(id.ModTime))
	binary.LittleEndian.PutUint64(b[16:], id.Inode)
	return xxhash.Sum64(b[:])
}

func (s *surveyed) sight(id hashsets.Identity, at int64) {
	if id.Inode != 0 {
		s.losses = append(s.losses, sighted{key: keyOf(id), at: at, to: nowhere})
	}
}

// lossesOf returns the range of the vanished files with a key.
func (s *surveyed) lossesOf(key uint64) (from, to int) {
	from, _ = slices.BinarySearchFunc(s.losses, key, func(l sighted, key uint64) int { return cmp.Compare(l.key, key) })
	to = from
	for to < len(s.losses) && s.losses[to].key == key {
		to++
	}
	return from, to
}

// A rename is a new name under which a vanished file seems to be.
type rename struct {
	entry store.Entry
	loss  int // the vanished one's number
	from  string
}

// followRenames reads the new names under which vanished files seem to be and
// keeps those whose content is what is recorded.
func (r *run) followRenames(ctx context.Context, s *surveyed) error {
	if len(s.losses) == 0 {
		return nil
	}
	slices.SortFunc(s.losses, func(a, b sighted) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at)) })
	s.proven = make([]bool, len(s.losses))
	compare := func(ctx context.Context, h *hand, m rename) (same bool, err error) {
		s.proven[m.loss], err = r.sameUnderNewName(ctx, h, m)
		return s.proven[m.loss], err
	}
	return inOrder(ctx, r.opts.Workers, r.newHand, r.renames(s), compare, func(bool) error { return nil })
}

// renames yields the new names that have the key of a vanished file, each of
// which is promised to one of them.
func (r *run) renames(s *surveyed) iter.Seq2[rename, error] {
	return func(yield func(rename, error) bool) {
		for m, err := range s.all() {
			if err != nil {
				yield(rename{}, err)
				return
			}
			if m.value.task != appeared || m.value.entry.Kind != hashsets.File {
				continue
			}
			first, after := s.lossesOf(keyOf(m.value.entry.Identity))
			for i := first; i < after; i++ {
				if s.losses[i].to != nowhere {
					continue
				}
				old, err := s.at(s.losses[i].at)
				if err != nil {
					yield(rename{}, err)
					return
				}
				if renamed := m.value.entry.Identity; old.known.Size != renamed.Size || old.known.ModTime != renamed.ModTime || old.known.Inode != renamed.Inode {
					continue
				}
				s.losses[i].to = m.at
				if !yield(rename{entry: m.value.entry, loss: i, from: old.entry.Name}, nil) {
					return
				}
				break
			}
		}
	}
}

// sameUnderNewName reads a new name and tells whether its content is what is
// recorded of the old one. One that cannot be read is new, and will be read as
// such.
func (r *run) sameUnderNewName(ctx context.Context, h *hand, m rename) (bool, error) {
	record, err := r.catalog.Current(ctx, m.from)
	if err != nil {
		return false, err
	}
	got, err := h.hash(ctx, m.entry, record.Hashes.Algorithms(), record.Hashes.ShardSize, store.Access{})
	if err != nil {
		if r.blamesBlob(ctx, err) {
			return false, nil
		}
		return false, err
	}
	return sameContent(&record.Hashes, &got.hashes), nil
}

// sameContent tells whether everything that is recorded matches.
func sameContent(recorded, computed *hashsets.HashSet) bool {
	return recorded.Size == computed.Size && len(recorded.Mismatches(computed)) == 0 &&
		len(recorded.Matches(computed)) > 0 && len(recorded.BadShards(computed)) == 0
}

// blamesBlob tells whether an error says something of the blob alone, so that
// the run can go on without it.
func (r *run) blamesBlob(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	for _, of := range []error{errBusy, store.ErrNotFound, store.ErrPermission, store.ErrMedium, store.ErrNotABlob, store.ErrChanged, store.ErrArchived} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// moved returns the old name of a new one, if its file was renamed.
func (s *surveyed) moved(m entryOf[matter]) (string, int64, bool, error) {
	if m.value.task != appeared || m.value.entry.Kind != hashsets.File {
		return "", 0, false, nil
	}
	first, after := s.lossesOf(keyOf(m.value.entry.Identity))
	for i := first; i < after; i++ {
		if s.losses[i].to == m.at && s.proven[i] {
			old, err := s.at(s.losses[i].at)
			return old.entry.Name, old.generation, err == nil, err
		}
	}
	return "", 0, false, nil
}

// foundAgain tells whether a vanished file was renamed.
func (s *surveyed) foundAgain(m entryOf[matter]) bool {
	first, after := s.lossesOf(keyOf(m.value.known))
	for i := first; i < after; i++ {
		if s.losses[i].at == m.at {
			return s.proven[i]
		}
	}
	return false
}
