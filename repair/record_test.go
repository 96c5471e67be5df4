package repair_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"bitmend/hashsets/catalog"
	"bitmend/repair"
	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// tamper changes the record of a blob as a fault in memory does: the page is
// right and the record fails its own check.
func (w *world) tamper(blob string) {
	w.t.Helper()
	db, err := sqlite3.Open(filepath.Join(w.vaultDir(), "catalog.db"))
	w.must(err)
	w.must(db.Exec(`UPDATE blob SET recorded_at = recorded_at + 1, digests = substr(digests, 1, length(digests) - 1) || x'00' WHERE name = x'` + hex.EncodeToString([]byte(blob)) + `'`))
	if db.TotalChanges() != 1 {
		w.t.Fatal("no record was changed")
	}
	w.must(db.Close())
}

func (w *world) record(blob string) catalog.Record {
	w.t.Helper()
	var r catalog.Record
	w.with(func(v *vault.Vault) {
		var err error
		r, err = v.Catalog.Current(w.t.Context(), blob)
		w.must(err)
	})
	return r
}

// Without parity the export has the only copy of a record.
func TestADamagedRecordIsHealedFromTheExport(t *testing.T) {
	w := newWorld(t, "primary")
	w.everywhere("a", content(1, 2*shard))
	w.everywhere("b", content(2, 20))
	w.protect()
	want := w.record("a")
	w.tamper("a")
	w.scrub()

	h, _ := w.repair(repair.Options{})

	if got := w.record("a"); got.Damage != nil || !got.Hashes.Equal(&want.Hashes) || !got.RecordedAt.Equal(want.RecordedAt) {
		t.Errorf("record %+v, want %+v; it said %+v", got, want, h.repairs)
	}
	w.scrub()
	if left := w.findings(); len(left) != 0 {
		t.Errorf("findings %+v", left)
	}
}

// With record and bytes both damaged nothing can be proven by the bytes. The
// record gives way to a copy that passes its check, and then judges the bytes.
func TestARecordIsHealedFirstWhereTheBytesAreDamagedToo(t *testing.T) {
	w := newParityWorld(t, 6, 2)
	w.fill(12)
	w.protect()
	good := w.snapshot("primary")
	w.tamper("d/003")
	w.scramble("primary", "d/003", 0)
	w.scrub()
	if left := w.findings(); len(left) != 1 || left[0].Verdict != string(finding.Undecided) {
		t.Fatalf("findings %+v", left)
	}
	damaged := w.snapshot("primary")

	h, _ := w.repair(repair.Options{})

	w.expect(h, "primary", "d/003", report.Skipped)
	w.same(damaged, "primary")
	if got := w.record("d/003"); got.Damage != nil {
		t.Fatalf("record %+v", got)
	}
	w.scrub()
	h, _ = w.repair(repair.Options{})
	w.expect(h, "primary", "d/003", report.Repaired)
	w.same(good, "primary")
}

func TestARecordThatNoCopyHealsOpensTheGate(t *testing.T) {
	w := newWorld(t, "primary", "dr")
	w.everywhere("a", content(1, 2*shard))
	w.everywhere("b", content(2, shard))
	w.protect()
	w.tamper("a")
	w.must(os.Remove(filepath.Join(w.vaultDir(), "export", "catalog.jsonl.zst")))
	w.scramble("dr", "b", 0)
	w.scrub()
	var h heard
	w.with(func(v *vault.Vault) {
		if _, err := repair.Run(t.Context(), v, repair.Options{}, &h); !errors.Is(err, gate.ErrRefused) {
			t.Errorf("error %v", err)
		}
	})
	if len(h.gates) != 1 || h.gates[0].Name != gate.BadCatalog || h.gates[0].Store != "" {
		t.Errorf("gates %+v", h.gates)
	}
	w.expect(&h, "dr", "b", report.Refused)
}
