package repair_test

import (
	"errors"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/repair"
	"bitmend/scrub"
	"bitmend/scrub/gate"
	"bitmend/scrub/vault"
)

// A scrub of one store alone does not see that the other one agrees with it
// against the record. The repair does.
func TestARepairSeesThatABadWriteSpread(t *testing.T) {
	t.Parallel() // it waits for the disk
	flip := func(offset int64) fixtures.Fault {
		return fixtures.Fault{Harm: fixtures.FlipBit, Path: "blob", Offset: offset, Bit: 3}
	}
	half := fixtures.Fault{Harm: fixtures.Truncate, Path: "blob", Offset: shard + 100}
	for _, test := range []struct {
		name        string
		primary, dr fixtures.Fault
		refused     bool
	}{
		{"the same bytes in both", flip(shard + 7), flip(shard + 7), true},
		{"both cut off at the same place", half, half, true},
		{"other damage in the same shard", flip(shard + 7), flip(shard + 8), false},
		{"one damaged, one cut off", flip(shard + 7), half, false},
		{"good there", flip(shard + 7), flip(7), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newParityWorld(t, 4, 2, "dr", "lag")
			w.everywhere("blob", content(1, 3*shard))
			w.protect()
			good := w.snapshot("primary")
			w.scrub()
			w.harm("primary", test.primary)
			w.harm("dr", test.dr)
			bad := w.snapshot("primary")
			w.with(func(v *vault.Vault) {
				_, err := scrub.Run(t.Context(), v, scrub.Options{Buffered: true, Stores: []string{"primary"}}, &heard{})
				w.must(err)
			})

			h := &heard{}
			w.with(func(v *vault.Vault) {
				_, err := repair.Run(t.Context(), v, repair.Options{}, h)
				if errors.Is(err, gate.ErrRefused) != test.refused {
					t.Errorf("%v, gates %+v", err, h.gates)
				}
			})
			if test.refused {
				w.same(bad, "primary")
				w.with(func(v *vault.Vault) {
					_, err := gate.Clear(t.Context(), v.Catalog, h.gates[0].ID, "a person has looked", time.Now())
					w.must(err)
				})
				w.repair(repair.Options{})
			}
			w.same(good, "primary")
		})
	}
}
