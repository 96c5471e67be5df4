package store

import "bitmend/hashsets"

// Keeper is a Store that does not have all kinds, such as a bucket, which has
// no directories and no links. What it cannot keep is not missing from it, and
// it has no modes, owners and times of its own to give.
type Keeper interface {
	Keeps(kind hashsets.Kind) bool
}

// Keeps tells whether a store is able to keep a kind.
func Keeps(s Store, kind hashsets.Kind) bool {
	keeper, some := s.(Keeper)
	return !some || keeper.Keeps(kind)
}
