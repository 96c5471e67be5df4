package repair

import (
	"cmp"
	"slices"
)

// sort puts the repairs with the least redundancy left first, and orders the
// others by name. Directories come first of all, so that their blobs find
// them, and parity files last, when the data is good again.
func (m *planner) sort() {
	slices.SortFunc(m.plan.Repairs, func(a, b Planned) int { return comparePlanned(&a, &b) })
	slices.SortFunc(m.plan.Left, func(a, b Left) int {
		return cmp.Or(cmp.Compare(a.Blob, b.Blob), cmp.Compare(a.Store, b.Store))
	})
}

func comparePlanned(a, b *Planned) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.left(), b.left()),
		cmp.Compare(a.Blob, b.Blob), cmp.Compare(a.Store, b.Store))
}

// rank orders actions that must come one after the other.
func (p *Planned) rank() int {
	switch p.Action {
	case MakeDirectory:
		return 0
	case HealRecord:
		return 1
	case RebuildParity:
		return 3
	}
	return 2
}

// left is how many further erasures the repair bears, many where nothing is
// known.
func (p *Planned) left() int {
	if p.Left == nil {
		return 1 << 30
	}
	return *p.Left
}
