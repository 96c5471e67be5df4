// Package status answers from the catalog alone: what is protected, how lately
// it was verified, what is damaged or lost, and which gates are open.
//
// It reads no blob and writes nothing.
package status

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/coverage"
	"bitmend/scrub/finding"
	"bitmend/scrub/vault"
)

// A State is what the vault knows of its stores.
type State struct {
	Vault      string
	At         time.Time // when it was looked at
	Algorithms []hashsets.Algorithm
	Totals     catalog.Totals
	Parity     Parity
	Sets       []Set
	Stores     []Store
	Promise    Promise
	Findings   []Found // at most FindingsShown of them, by store and name
	Verdicts   map[finding.Verdict]int64
	Counts     map[Cell]int64
	Lost       int64
	BadParity  int64 // findings of parity files
	Gates      []catalog.Gate
	Runs       []Run // the newest first
	Busy       bool  // a run goes on, or that cannot be known
}

// A Cell is a store and a verdict, of which there may be findings.
type Cell struct {
	Store   string
	Verdict finding.Verdict
}

// FindingsShown bounds the findings that a State holds.
const FindingsShown = 1000

// A Found is a finding, since when it is known, and where its blob stands in
// its store.
type Found struct {
	finding.Finding
	FirstSeen, LastSeen time.Time
	// Offset is how many bytes the blobs before it have, in the order of
	// names; -1 when it is not recorded.
	Offset int64
	Device uint64 // that it lies on, or lay on when it was last seen; 0 when that is not known
}

// Parity is what the parity files amount to.
type Parity struct {
	Sets  int
	Files int64
	Bytes int64
}

// Store is how lately the blobs of one store were looked at.
type Store struct {
	Name string
	Role vault.Role
	coverage.Survey
	Ages   *coverage.Ages
	Rewind *Rewind // of a lagged store; else nil
}

// Promise is what max_age of the configuration promises, and how it is kept.
type Promise struct {
	MaxAge  time.Duration // 0 when nothing is promised
	Overdue coverage.Backlog
	Bytes   int64         // of all blobs in all stores: what must be read within MaxAge
	Rate    coverage.Rate // of late
}

// Look gathers the state of a vault at a time.
func Look(ctx context.Context, v *vault.Vault, now time.Time) (State, error) {
	s := State{
		Vault: v.Dir, At: now, Algorithms: v.Config.Algorithms,
		Verdicts: map[finding.Verdict]int64{}, Counts: map[Cell]int64{},
	}
	for _, gather := range []func(context.Context, *vault.Vault) error{
		s.gatherTotals, s.gatherParity, s.gatherStores, s.gatherRuns,
	} {
		if err := gather(ctx, v); err != nil {
			return State{}, vault.WithWayOut(fmt.Errorf("look at the state of the vault %s: %w", v.Dir, err), v.Dir)
		}
	}
	return s, nil
}

func (s *State) gatherTotals(ctx context.Context, v *vault.Vault) (err error) {
	if s.Totals, err = v.Catalog.Totals(ctx); err != nil {
		return err
	}
	s.Gates, err = v.Catalog.Gates(ctx, false)
	return err
}

// gatherParity looks at the parity files and all findings, and what those
// leave of the redundancy.
func (s *State) gatherParity(ctx context.Context, v *vault.Vault) error {
	sets, err := v.Catalog.Sets(ctx)
	if err != nil {
		return err
	}
	s.Parity.Sets = len(sets)
	s.Sets = make([]Set, len(sets))
	numbers := map[int64]*Set{}
	for i, set := range sets {
		s.Sets[i] = Set{ID: set.ID, Data: set.Data, Parity: set.Parity}
		numbers[set.ID] = &s.Sets[i]
	}
	t := newTracer(v, sets)
	bad, err := s.gatherFindings(ctx, v, t)
	if err != nil {
		return err
	}
	badFiles := map[bandPlace]int{}
	for band, err := range v.Catalog.Bands(ctx, 0) {
		if err != nil {
			return err
		}
		set := numbers[band.Set]
		if set == nil {
			return fmt.Errorf("%w: band %d is of set %d, which there is not", catalog.ErrDamaged, band.Number, band.Set)
		}
		set.Bands++
		for _, file := range band.Files {
			set.Files++
			set.Bytes += file.Hashes.Size
			if bad[file.Name] {
				set.BadFiles++
				badFiles[bandPlace{band.Set, band.Number}]++
			}
		}
	}
	for _, set := range s.Sets {
		s.Parity.Files += set.Files
		s.Parity.Bytes += set.Bytes
	}
	t.judge(s.Sets, badFiles)
	return nil
}

// gatherStores looks at each store, blob by blob.
func (s *State) gatherStores(ctx context.Context, v *vault.Vault) error {
	s.Promise.MaxAge = v.Config.MaxAge
	for _, cfg := range v.Config.Stores {
		one := Store{Name: cfg.Name, Role: cfg.Role, Ages: &coverage.Ages{}}
		if cfg.Role == vault.Lagged {
			rewind, err := gatherRewind(ctx, v, cfg)
			if err != nil {
				return err
			}
			one.Rewind = rewind
		}
		waiting := s.foundIn(cfg.Name)
		for item, err := range coverage.Walk(ctx, v.Catalog, cfg, s.At) {
			if err != nil {
				return err
			}
			for len(waiting) > 0 && waiting[0].Blob < item.Name {
				waiting = waiting[1:]
			}
			if len(waiting) > 0 && waiting[0].Blob == item.Name {
				waiting[0].place(&item, one.Bytes, cfg.Role)
			}
			one.Add(&item, s.Promise.MaxAge, s.At)
			one.Ages.Add(&item, s.At)
		}
		s.Stores = append(s.Stores, one)
		s.Promise.Bytes += one.Bytes
		s.Promise.Overdue.Blobs += one.Overdue.Blobs
		s.Promise.Overdue.Bytes += one.Overdue.Bytes
	}
	return nil
}

// place notes where the blob of a finding stands.
func (f *Found) place(item *coverage.Item, offset int64, role vault.Role) {
	f.Offset, f.Device = offset, f.Identity.Device
	if f.Device == 0 && item.Seen != nil {
		f.Device = item.Seen.Identity.Device
	}
	if f.Device == 0 && role == vault.Primary {
		f.Device = item.Identity.Device
	}
}

// foundIn returns the findings of one store; they lie together.
func (s *State) foundIn(store string) []Found {
	first := slices.IndexFunc(s.Findings, func(f Found) bool { return f.Store == store })
	if first < 0 {
		return nil
	}
	last := first
	for last < len(s.Findings) && s.Findings[last].Store == store {
		last++
	}
	return s.Findings[first:last]
}

// gatherFindings counts all findings, has them traced, and returns the parity
// files that are bad.
func (s *State) gatherFindings(ctx context.Context, v *vault.Vault, t *tracer) (badFiles map[string]bool, err error) {
	badFiles = map[string]bool{}
	for row, err := range v.Catalog.Findings(ctx, "") {
		if err != nil {
			return nil, err
		}
		f := Found{FirstSeen: row.FirstSeen, LastSeen: row.LastSeen, Offset: -1}
		if err := json.Unmarshal(row.Detail, &f.Finding); err != nil {
			return nil, fmt.Errorf("read the finding of %q: %w", row.Name, err)
		}
		f.Lost = row.Lost
		s.Counts[Cell{f.Store, f.Verdict}]++
		if f.Store == finding.ParityStore {
			s.BadParity++
			badFiles[f.Blob] = true
		} else {
			s.Verdicts[f.Verdict]++
		}
		if f.Lost != "" {
			s.Lost++
		}
		if err := t.trace(ctx, &f.Finding); err != nil {
			return nil, err
		}
		if len(s.Findings) < FindingsShown {
			s.Findings = append(s.Findings, f)
		}
	}
	return badFiles, nil
}

// Damaged counts the findings of blobs that are damage.
func (s *State) Damaged() int64 {
	var n int64
	for verdict, count := range s.Verdicts {
		if verdict.Damaged() {
			n += count
		}
	}
	return n
}
