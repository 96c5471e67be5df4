package protect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/repair/stripe"
	"bitmend/scrub/store"
)

// A unit is what is placed in one set, encoded, and committed in one step.
type unit struct {
	*encoding
	set      catalog.Set
	geometry parity.Geometry
	before   []int64 // tops of the set as it is in force
	layout   *parity.Layout
	bands    map[int64]catalog.Band // in force
	room     room                   // that the layout was given
	filling  bool                   // it takes only what finds a free place
	small    []catalog.Set          // laid out anew in this unit
	end      *ending                // what is given up in the set; may be nil

	assigned *spool[assigned]
	outcomes *outcomes
	items    []item
	extents  []parity.Extent
	inodes   map[inode]int32 // files of several names, by their first item
	bytes    int64

	encoders []*parity.BandWriter // all that were made
	spare    []*parity.BandWriter // those of them that nobody uses now
	left     []int32              // items that were left out, in the order in which that was found
	written  map[int64]*parity.StagedBand
	obsolete []string // parity files that the commit makes useless
}

// An assigned is what a unit has to know of an item.
type assigned struct {
	one        decision
	generation int64
	recorded   bool   // its content is
	laidAnew   bool   // and it lies in a set that is given up
	shares     string // a recorded name of the same file, whose places it shares; "" for none
}

func (e *encoder) assigned(a assigned) {
	e.decision(a.one)
	e.int(a.generation)
	e.bool(a.recorded)
	e.bool(a.laidAnew)
	e.text(a.shares)
}

func (d *decoder) assigned() assigned {
	return assigned{one: d.decision(), generation: d.int(), recorded: d.bool(), laidAnew: d.bool(), shares: d.text()}
}

func (e *encoder) record(r catalog.Record) {
	e.text(r.Name)
	e.int(r.Generation)
	e.int(r.RecordedAt.UnixNano())
	e.uint(uint64(r.Kind))
	e.identity(r.Identity)
	e.attributes(r.Attributes)
	e.text(r.Target)
	e.hashes(r.Hashes)
}

func (d *decoder) record() catalog.Record {
	return catalog.Record{
		Name: d.text(), Generation: d.int(), RecordedAt: timeAt(d.int()), Kind: hashsets.Kind(d.uint()),
		Identity: d.identity(), Attributes: d.attributes(), Target: d.text(), Hashes: d.hashes(),
	}
}

// An item is a blob in a unit. There may be half a million of them.
type item struct {
	at      int64 // in assigned
	outcome int64 // in outcomes; nowhere until its content is known
	size    int64
	first   int32 // of its extents
	extents int32
	leader  int32 // the item of which it is another name; itself otherwise
	out     bool  // it was left out
}

// openUnit begins a unit in a set. For a set that is new tops are nil.
func (e *encoding) openUnit(ctx context.Context, set catalog.Set, coming parity.Coming, small []catalog.Set) (*unit, error) {
	u := &unit{
		encoding: e, set: set, geometry: stripe.GeometryOf(set), before: set.Tops, small: small,
		inodes: make(map[inode]int32), end: e.ends[set.ID], written: make(map[int64]*parity.StagedBand),
	}
	var err error
	if u.bands, err = e.bandsOf(ctx, set.ID); err != nil {
		return nil, err
	}
	if u.room, err = e.roomIn(ctx, set, u.bands); err != nil {
		return nil, err
	}
	coming.Live = sum(set.Tops)
	for _, f := range u.room.free {
		coming.Live -= f.Length
	}
	coming.Vault = max(coming.Vault, coming.Live+coming.Total)
	u.layout = parity.NewLayout(u.geometry, set.Tops, u.room.free, coming)
	if u.assigned, err = newSpool(e.vault.ScratchDir(), (*encoder).assigned, (*decoder).assigned); err != nil {
		return nil, err
	}
	if u.outcomes, err = newOutcomes(e.vault.ScratchDir()); err != nil {
		return nil, errors.Join(err, u.assigned.Close())
	}
	return u, nil
}

func (u *unit) close() error { return errors.Join(u.assigned.Close(), u.outcomes.Close()) }

// take gives a newcomer its places; false when the set has no room for it.
func (u *unit) take(ctx context.Context, n newcomer) (bool, error) {
	if n.record != nil {
		return u.takeAnew(n)
	}
	a := assigned{one: n.one, generation: n.generation}
	size := sizeOf(n.one.entry)
	several := n.one.entry.Kind == hashsets.File && n.one.entry.Links > 1 && size > 0
	if several {
		if leader, ok := u.inodes[inodeOf(n.one.entry)]; ok && u.items[leader].size == size {
			_, err := u.add(a, size, leader, nil)
			return true, err
		}
		if shared, err := u.share(ctx, a); shared || err != nil {
			return shared, err
		}
	}
	extents, ok := u.place(size)
	if !ok {
		return false, nil
	}
	i, err := u.add(a, size, int32(len(u.items)), extents)
	if err != nil {
		return false, err
	}
	if several && len(u.inodes) < severalNames {
		u.inodes[inodeOf(n.one.entry)] = i
	}
	if n.one.entry.Kind == hashsets.File {
		return true, nil
	}
	got := reading{after: n.one.entry, attributes: n.one.attributes}
	return true, u.known(i, u.record(n.one, n.generation, got))
}

func (u *unit) place(size int64) ([]parity.Extent, bool) {
	if u.filling {
		return u.layout.PlaceInFree(size)
	}
	return u.layout.Place(size)
}

// isFull tells whether the unit has so much that it should be committed.
func (u *unit) isFull() bool { return u.bytes >= unitBytes || len(u.items) >= unitBlobs }

// share takes a newcomer that is another name of a file which is recorded, and
// was read in this run: it gets that name's content and places.
func (u *unit) share(ctx context.Context, a assigned) (bool, error) {
	name, ok := u.decided.kept[inodeOf(a.one.entry)]
	if !ok {
		return false, nil
	}
	r, err := u.catalog.Current(ctx, name)
	if err != nil || r.Identity != a.one.entry.Identity {
		return false, err
	}
	places, err := u.catalog.PlacesOf(ctx, name, r.Generation)
	if err != nil || len(places) == 0 || r.Hashes.ShardSize != u.geometry.ShardSize {
		return false, err
	}
	a.shares = name
	i, err := u.add(a, 0, int32(len(u.items)), nil)
	if err != nil {
		return false, err
	}
	got := reading{after: a.one.entry, attributes: r.Attributes, hashes: r.Hashes}
	return true, u.known(i, u.record(a.one, a.generation, got))
}

// takeAnew gives places to a blob whose content is recorded.
func (u *unit) takeAnew(n newcomer) (bool, error) {
	r := *n.record
	a := assigned{generation: r.Generation, recorded: true, laidAnew: n.placed}
	a.one.entry.Name, a.one.entry.Kind, a.one.entry.Identity = r.Name, r.Kind, r.Identity
	a.one.entry.Identity.Size = r.Hashes.Size
	leader := int32(len(u.items))
	var extents []parity.Extent
	if n.same && leader > 0 {
		leader = u.items[leader-1].leader
	} else {
		var ok bool
		if extents, ok = u.layout.Place(r.Hashes.Size); !ok {
			return false, nil
		}
	}
	i, err := u.add(a, r.Hashes.Size, leader, extents)
	if err != nil {
		return false, err
	}
	return true, u.known(i, r)
}

func (u *unit) add(a assigned, size int64, leader int32, extents []parity.Extent) (int32, error) {
	at, err := u.assigned.add(a)
	if err != nil {
		return 0, err
	}
	i := int32(len(u.items))
	it := item{at: at, outcome: nowhere, size: size, first: int32(len(u.extents)), extents: int32(len(extents)), leader: leader}
	if leader != i {
		it.first, it.extents = u.items[leader].first, u.items[leader].extents
	} else {
		u.bytes += size
	}
	u.items = append(u.items, it)
	u.extents = append(u.extents, extents...)
	return i, nil
}

// known keeps what is known of the content of an item.
func (u *unit) known(i int32, r catalog.Record) error {
	at, err := u.outcomes.add(r)
	u.items[i].outcome = at
	return err
}

func (u *unit) extentsOf(i int32) []parity.Extent {
	it := u.items[i]
	return u.extents[it.first : it.first+it.extents]
}

// outcomeOf returns what is to be recorded of an item; false when its content
// is not known.
func (u *unit) outcomeOf(i int32) (outcome, assigned, bool, error) {
	it := u.items[i]
	a, err := u.assigned.at(it.at)
	if err != nil {
		return outcome{}, a, false, err
	}
	if it.leader == i || it.outcome != nowhere {
		if it.out || it.outcome == nowhere {
			return outcome{}, a, false, nil
		}
		o, err := u.outcomes.at(it.outcome)
		return o, a, err == nil, err
	}
	leader := u.items[it.leader]
	if leader.out || leader.outcome == nowhere {
		return outcome{}, a, false, nil
	}
	o, err := u.outcomes.at(leader.outcome)
	if err != nil {
		return o, a, false, err
	}
	got := reading{after: a.one.entry, attributes: o.record.Attributes, hashes: o.record.Hashes}
	o.record = u.record(a.one, a.generation, got)
	return o, a, true, nil
}

// leaveOut takes an item out of the unit because its bytes cannot be had. The
// slabs that it was added to are stale then.
func (u *unit) leaveOut(i int32, why error) error {
	u.mu.Lock()
	u.left = append(u.left, i)
	u.mu.Unlock()
	return u.leaveOutUnadded(i, why)
}

// leaveOutUnadded is leaveOut for an item of which nothing is in the parity.
func (u *unit) leaveOutUnadded(i int32, why error) error {
	a, err := u.assigned.at(u.items[i].at)
	if err != nil {
		return err
	}
	if a.laidAnew {
		return fmt.Errorf("%q in set %d: %w: %w", a.one.entry.Name, u.set.ID, errLaidAnew, why)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.items[i].out {
		return nil
	}
	u.items[i].out = true
	if a.recorded {
		u.kept = true // the next run tries again
		if !errors.Is(why, errBusy) && !errors.Is(why, store.ErrNotFound) {
			u.rep.Note("%q has no parity: %v", a.one.entry.Name, why)
		}
		return nil
	}
	if errors.Is(why, errBusy) && len(u.again) < updateEvery {
		u.again = append(u.again, a.one)
		return nil
	}
	u.leftOut(a.one, why)
	return nil
}

// touchedBands returns the numbers of the bands that are encoded, in order.
func (u *unit) touchedBands() []int64 {
	numbers := make(map[int64]bool)
	for i := range u.items {
		for _, x := range u.extentsOf(int32(i)) {
			for band := range u.geometry.Bands(x) {
				numbers[band] = true
			}
		}
	}
	if u.end != nil {
		for band := range u.end.stripes {
			numbers[band] = true
		}
	}
	for _, band := range u.emptied() {
		delete(numbers, band)
	}
	var sorted []int64
	for n := range numbers {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	return sorted
}

// stripesOf returns how many stripes of a band columns of these heights use.
func (u *unit) stripesOf(band int64, tops []int64) int {
	if len(tops) == 0 {
		return 0
	}
	n := u.geometry.Stripes(slices.Max(tops)) - band*parity.BandStripes
	return int(min(max(n, 0), parity.BandStripes))
}
