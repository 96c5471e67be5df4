package protect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// Bounds on what is read to tell which of two lists is right: less than twice
// so many blobs of each, and none that is larger.
const (
	askedOfAList = 16
	askedUpTo    = 16 << 20 // bytes
)

// leaveOutStrangers leaves out of the files of a band those whose list is not
// the band's. Two files carry the same list; where they do not, one of them
// came from another vault or another time, and would have good blobs
// overwritten. What the stores and the exports have tells which; where they tell
// nothing, neither is believed.
func (b *rebuilding) leaveOutStrangers(ctx context.Context, v *versionFiles) error {
	lists, err := v.wholeLists(ctx)
	if err != nil || len(lists) == 0 {
		return err
	}
	for _, l := range lists {
		if err := l.choose(ctx); err != nil {
			return err
		}
	}
	if len(lists) == 1 || lists[0].sum == lists[1].sum {
		return b.doubt(ctx, lists[0])
	}
	if err := b.askStores(ctx, lists); err != nil {
		return err
	}
	if err := b.askExports(ctx, lists); err != nil {
		return err
	}
	slices.SortStableFunc(lists, func(x, y *bandList) int { return y.agreed - x.agreed })
	right, others := lists[0], lists[1:]
	if right.agreed > others[0].agreed {
		b.rep.Note("parity file %s says other things of its band than %s, which is as the stores or the export have it: it is taken for damaged",
			others[0].file.Name(), right.file.Name())
	} else {
		b.rep.Note("parity files %s and %s say different things of their band, and nothing tells which is right: neither is believed",
			right.file.Name(), others[0].file.Name())
		others = lists
		b.summary.FindingsGap = true
	}
	for _, l := range others {
		v.readers = slices.DeleteFunc(v.readers, func(f *parity.File) bool { return f == l.file })
		err = errors.Join(err, l.file.Close())
	}
	return err
}

// doubt notes a list of which nothing is as the stores have it, though sizes
// and times say that nobody wrote there, and of which no export says the same.
func (b *rebuilding) doubt(ctx context.Context, l *bandList) error {
	unlike := 0
	near := b.witnesses(onDisk) // every band is asked for, and a bucket's bytes cost money
	for i := range l.asked {
		e := &l.asked[i]
		there, err := b.isIn(ctx, near, e.Name, &e.Hashes)
		if err != nil || there {
			return err
		}
		if looksUntouched(ctx, near, e) {
			unlike++
		}
	}
	if unlike < 2 {
		return nil
	}
	if err := b.askExports(ctx, []*bandList{l}); err != nil || l.agreed > 0 {
		return err
	}
	b.doubted += int64(unlike)
	b.rep.Note("parity file %s says of %d blobs something else than the stores have, though their sizes and times are as it says: it may be of another vault",
		l.file.Name(), unlike)
	return nil
}

// looksUntouched tells whether a store has a blob of the listed size and time.
func looksUntouched(ctx context.Context, stores []store.Store, e *parity.Listed) bool {
	return slices.ContainsFunc(stores, func(s store.Store) bool {
		seen, err := s.Stat(ctx, e.Name)
		return err == nil && seen.Identity.Size == e.Identity.Size && seen.Identity.ModTime == e.Identity.ModTime
	})
}

// refuseDoubted opens a gate when lists were doubted: what rests on them
// overwrites no blob before a person has looked.
func (b *rebuilding) refuseDoubted(ctx context.Context, at time.Time) error {
	if b.doubted == 0 {
		return nil
	}
	why := fmt.Sprintf("the catalog was made anew from parity files that say of %d blobs something else than the stores have, though their sizes and times are as recorded, "+
		"and no export says the same: they may be of another vault", b.doubted)
	g, err := gate.OpenNow(ctx, b.catalog, gate.BadCatalog, "", why, b.doubted, at)
	if err != nil {
		return err
	}
	if g.ID != 0 {
		b.summary.Refused = true
		b.rep.Gate(report.Gate{ID: g.ID, Name: g.Name, Store: g.Store, Reason: g.Reason, Opened: g.OpenedAt})
	}
	return nil
}

// A bandList is the whole list that one parity file carries.
type bandList struct {
	file   *parity.File
	sum    uint64          // equal for equal lists
	asked  []parity.Listed // some of the files in it
	agreed int             // how many times a store or an export has what it says
}

// wholeLists returns the lists that are whole, and brings their files before the
// others: what is left of a damaged one is only asked when none is whole.
func (v *versionFiles) wholeLists(ctx context.Context) ([]*bandList, error) {
	var lists []*bandList
	for _, f := range v.readers {
		if !f.HasList {
			continue
		}
		l, err := listOf(ctx, f)
		if errors.Is(err, parity.ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	isWhole := func(f *parity.File) bool {
		return slices.ContainsFunc(lists, func(l *bandList) bool { return l.file == f })
	}
	slices.SortStableFunc(v.readers, func(x, y *parity.File) int {
		switch {
		case isWhole(x) == isWhole(y):
			return 0
		case isWhole(x):
			return -1
		}
		return 1
	})
	return lists, nil
}

func listOf(ctx context.Context, f *parity.File) (*bandList, error) {
	sum, err := f.ListSum(ctx)
	return &bandList{file: f, sum: sum}, err
}

// choose chooses the files that are asked after, from all over the list: what is
// damaged often lies together.
func (l *bandList) choose(ctx context.Context) error {
	apart, passed := 1, 0
	for e, err := range l.file.List(ctx) {
		if err != nil {
			return err
		}
		whole := e.Kind == hashsets.File && e.BlobOffset == 0 && e.Length > 0 && e.Length == e.Hashes.Size
		if !whole || e.Length > askedUpTo {
			continue
		}
		if passed%apart == 0 {
			e.Attributes = hashsets.Attributes{} // which may be large
			l.asked = append(l.asked, e)
		}
		if passed++; len(l.asked) == 2*askedOfAList {
			for i := range askedOfAList {
				l.asked[i] = l.asked[2*i]
			}
			l.asked, apart = l.asked[:askedOfAList], 2*apart
		}
	}
	return nil
}

// askStores counts what of the lists is in a store.
func (b *rebuilding) askStores(ctx context.Context, lists []*bandList) error {
	for _, l := range lists {
		for i := range l.asked {
			there, err := b.isInAStore(ctx, l.asked[i].Name, &l.asked[i].Hashes)
			if err != nil {
				return err
			}
			if there {
				l.agreed++
			}
		}
	}
	return nil
}

// isInAStore is isIn of all stores.
func (b *rebuilding) isInAStore(ctx context.Context, name string, recorded *hashsets.HashSet) (bool, error) {
	return b.isIn(ctx, b.witnesses(nil), name, recorded)
}

// isIn tells whether any of the stores has the recorded content under that name.
func (b *rebuilding) isIn(ctx context.Context, stores []store.Store, name string, recorded *hashsets.HashSet) (bool, error) {
	for _, s := range stores {
		found, err := hashWhole(ctx, s, name, recorded.Algorithms())
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err == nil && found.Size == recorded.Size && len(recorded.Matches(&found)) > 0 && len(recorded.Mismatches(&found)) == 0 {
			return true, nil
		}
		if err != nil && !slices.ContainsFunc(ofTheBlob(), func(of error) bool { return errors.Is(err, of) }) {
			b.silent = append(b.silent, s.Name()) // it is not waited for again
		}
	}
	return false, nil
}

// ofTheBlob are the errors that say something of one blob and not of its store.
func ofTheBlob() []error {
	return []error{store.ErrNotFound, store.ErrMedium, store.ErrPermission, store.ErrNotABlob}
}

// witnesses are the stores that can be asked, and are wanted; nil wants all.
func (b *rebuilding) witnesses(wanted func(store.Store) bool) []store.Store {
	var stores []store.Store
	for _, c := range b.vault.Config.Stores {
		s, err := b.vault.Store(c.Name)
		if err == nil && !slices.Contains(b.silent, c.Name) && (wanted == nil || wanted(s)) {
			stores = append(stores, s)
		}
	}
	return stores
}

func onDisk(s store.Store) bool {
	_, remote := s.(store.Remote)
	return !remote
}

// askExports counts what of the lists the best export has.
func (b *rebuilding) askExports(ctx context.Context, lists []*bandList) error {
	if len(b.exports) == 0 {
		return nil
	}
	from, err := b.exports[0].open(ctx)
	if err != nil {
		return fmt.Errorf("read the export %s: %w", b.exports[0].where, err)
	}
	defer from.Close()
	for e, err := range catalog.ReadExport(ctx, from) {
		if err != nil {
			return ctx.Err() // it is used as far as it can be read
		}
		for _, l := range lists {
			if slices.ContainsFunc(l.asked, func(x parity.Listed) bool {
				return x.Name == e.Name && x.Generation == e.Generation && x.Hashes.Equal(&e.Hashes)
			}) {
				l.agreed++
			}
		}
	}
	return nil
}
