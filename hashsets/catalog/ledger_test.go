package catalog_test

import (
	"errors"
	"testing"
	"time"

	"bitmend/hashsets/catalog"
)

func all[T any](t *testing.T, seq func(func(T, error) bool)) (found []T) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, v)
	}
	return found
}

func TestFindingsKeepWhenTheyWereFirstSeen(t *testing.T) {
	c := create(t)
	finding := func(store, name, verdict string, generation int64, seen int) catalog.Finding {
		return catalog.Finding{Store: store, Name: name, Verdict: verdict, Generation: generation, Identity: record(name, 1).Identity,
			Detail: []byte(`{"a":1}`), FirstSeen: day(seen), LastSeen: day(seen), Run: int64(seen)}
	}
	putFinding := func(f catalog.Finding) {
		t.Helper()
		update(t, c, func(tx *catalog.Tx) error { return tx.PutFinding(f) })
	}
	lost := finding("primary", "a\xff", "corrupt", 1, 1)
	lost.Lost = "stripe 17 has 6 bad shards"
	putFinding(lost)
	putFinding(finding("primary", "b", "unrecorded", 0, 1))
	putFinding(finding("dr", "z", "missing", 3, 2))
	same(t, "all", all(t, c.Findings(t.Context(), "")), []catalog.Finding{finding("dr", "z", "missing", 3, 2), lost, finding("primary", "b", "unrecorded", 0, 1)})
	same(t, "of one store", all(t, c.Findings(t.Context(), "dr")), []catalog.Finding{finding("dr", "z", "missing", 3, 2)})

	// Seen again: what repair found out of it stays.
	putFinding(finding("primary", "a\xff", "corrupt", 1, 5))
	want := finding("primary", "a\xff", "corrupt", 1, 5)
	want.FirstSeen, want.Lost = day(1), lost.Lost
	same(t, "renewed", all(t, c.Findings(t.Context(), "primary"))[0], want)

	// Another verdict or generation: it has to be found out again.
	for _, f := range []catalog.Finding{finding("primary", "a\xff", "unreadable", 1, 6), finding("primary", "a\xff", "unreadable", 2, 7)} {
		putFinding(f)
		f.FirstSeen = day(1)
		same(t, "another", all(t, c.Findings(t.Context(), "primary"))[0], f)
		f.Lost = "again"
		putFinding(f)
	}
	same(t, "counts", must(c.CountFindings(t.Context())), []catalog.FindingCount{
		{Store: "dr", Verdict: "missing", Count: 1}, {Store: "primary", Verdict: "unreadable", Count: 1, Lost: 1},
		{Store: "primary", Verdict: "unrecorded", Count: 1}})

	update(t, c, func(tx *catalog.Tx) error {
		return errors.Join(tx.DropFinding("primary", "a\xff"), tx.DropFinding("primary", "none"), tx.DropFinding("dr", "b"))
	})
	same(t, "left", len(all(t, c.Findings(t.Context(), ""))), 2)
	sound(t, c)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRunsAreNewestFirst(t *testing.T) {
	c := create(t)
	var ids []int64
	for i, verb := range []string{"protect", "scrub", "repair"} {
		update(t, c, func(tx *catalog.Tx) error {
			id, err := tx.StartRun(verb, day(i+1))
			ids = append(ids, id)
			return err
		})
	}
	same(t, "IDs", ids, []int64{1, 2, 3})
	update(t, c, func(tx *catalog.Tx) error {
		return tx.FinishRun(catalog.Run{ID: 2, Finished: day(9), Exit: 4, Summary: []byte(`{"x":1}`)})
	})
	want := []catalog.Run{{ID: 3, Verb: "repair", Started: day(3)},
		{ID: 2, Verb: "scrub", Started: day(2), Finished: day(9), Exit: 4, Summary: []byte(`{"x":1}`)}, {ID: 1, Verb: "protect", Started: day(1)}}
	same(t, "all", must(c.Runs(t.Context(), 0)), want)
	same(t, "two", must(c.Runs(t.Context(), 2)), want[:2])
	err := c.Update(t.Context(), func(tx *catalog.Tx) error { return tx.FinishRun(catalog.Run{ID: 9}) })
	if !errors.Is(err, catalog.ErrNotRecorded) {
		t.Error(err)
	}
	sound(t, c)
}

func TestGatesOpenOnceAndStayUntilCleared(t *testing.T) {
	c := create(t)
	open := func(g catalog.Gate) (id int64) {
		t.Helper()
		update(t, c, func(tx *catalog.Tx) (err error) {
			id, err = tx.OpenGate(g)
			return err
		})
		return id
	}
	gate := catalog.Gate{Name: "mass-damage", Store: "dr", OpenedAt: day(1), Reason: "12 of 100", Level: 12}
	id := open(gate)
	again := gate
	again.OpenedAt, again.Level = day(2), 99
	same(t, "the same gate", open(again), id)
	other := gate
	other.Store = "primary"
	otherID := open(other)
	if otherID == id {
		t.Error("gates of two stores are one")
	}
	update(t, c, func(tx *catalog.Tx) error { return tx.ClearGate(id, "a disk was replaced", day(3)) })
	gate.ID, gate.ClearedAt, gate.ClearReason = id, day(3), "a disk was replaced"
	other.ID = otherID
	same(t, "open", must(c.Gates(t.Context(), false)), []catalog.Gate{other})
	same(t, "all", must(c.Gates(t.Context(), true)), []catalog.Gate{gate, other})
	if reopened := open(again); reopened == id {
		t.Error("a cleared gate was opened again in the place of a new one")
	}
	for what, clear := range map[string]func(tx *catalog.Tx) error{
		"a cleared one": func(tx *catalog.Tx) error { return tx.ClearGate(id, "x", day(4)) },
		"none":          func(tx *catalog.Tx) error { return tx.ClearGate(77, "x", day(4)) },
		"at no time":    func(tx *catalog.Tx) error { return tx.ClearGate(otherID, "x", time.Time{}) },
	} {
		if err := c.Update(t.Context(), clear); err == nil {
			t.Errorf("cleared %s", what)
		}
	}
	sound(t, c)
}

func TestReceiptsAreNewestFirst(t *testing.T) {
	c := create(t)
	first := catalog.Receipt{ID: "b", Store: "primary", Name: "x\xff", At: day(1), Outcome: "repaired", Detail: []byte(`{}`)}
	second := catalog.Receipt{ID: "a", Store: "primary", Name: "y", At: day(2), Outcome: "lost"}
	update(t, c, func(tx *catalog.Tx) error {
		return errors.Join(tx.PutReceipt(second), tx.PutReceipt(first), tx.PutReceipt(first))
	})
	same(t, "receipts", all(t, c.Receipts(t.Context())), []catalog.Receipt{second, first})
	sound(t, c)
}

func TestSettingsAreRemembered(t *testing.T) {
	c := create(t)
	same(t, "unset", must(c.Setting(t.Context(), "k")), "")
	for _, value := range []string{"one", "two\x00\xff", ""} {
		update(t, c, func(tx *catalog.Tx) error { return tx.PutSetting("k", value) })
		same(t, "set", must(c.Setting(t.Context(), "k")), value)
	}
	sound(t, c)
}

func TestStatusCountsCurrentBlobs(t *testing.T) {
	c := create(t)
	same(t, "empty", must(c.Totals(t.Context())), catalog.Totals{})
	dir := record("dir", 1)
	dir.Kind = 3
	put(t, c, record("a", 1), record("a", 2), record("b", 1), record("c", 1), record("gone", 1), dir)
	update(t, c, func(tx *catalog.Tx) error {
		seen := func(store, name string, at time.Time, depth catalog.Depth) error {
			return tx.PutCoverage(catalog.Coverage{Store: store, Name: name, VerifiedAt: at, Depth: depth})
		}
		return errors.Join(tx.Vanish("gone", day(3)), tx.PutPlace(catalog.Place{Name: "only a place"}),
			seen("primary", "a", day(5), catalog.DeepDirect), seen("primary", "b", day(2), catalog.Light),
			seen("dr", "a", day(9), catalog.Light), seen("primary", "dir", day(1), catalog.Light),
			seen("primary", "gone", day(1), catalog.Light))
	})
	same(t, "totals", must(c.Totals(t.Context())), catalog.Totals{Blobs: 3, Bytes: 210000, Directories: 1})
	same(t, "primary", must(c.Freshness(t.Context(), "primary")), catalog.Freshness{Store: "primary", Verified: 2, Never: 1,
		Oldest: day(2), Newest: day(5), Depths: map[catalog.Depth]int64{catalog.DeepDirect: 1, catalog.Light: 1}})
	same(t, "dr", must(c.Freshness(t.Context(), "dr")), catalog.Freshness{Store: "dr", Verified: 1, Never: 2,
		Oldest: day(9), Newest: day(9), Depths: map[catalog.Depth]int64{catalog.Light: 1}})
	same(t, "none", must(c.Freshness(t.Context(), "none")), catalog.Freshness{Store: "none", Never: 3, Depths: map[catalog.Depth]int64{}})
}
