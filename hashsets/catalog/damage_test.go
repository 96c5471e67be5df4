package catalog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
)

var everyByte = flag.Bool("every-byte", false, "flip a bit in every byte of a catalog, not in a sample of them; takes minutes")

// populate writes something of everything that a catalog keeps.
func populate(t *testing.T, path string) {
	t.Helper()
	c, err := catalog.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	update(t, c, func(tx *catalog.Tx) error {
		var errs []error
		for i := range 40 {
			name := fmt.Sprintf("dir %d/blob %02d", i%3, i)
			r := record(name, 1)
			r.Identity.Inode = uint64(i)
			errs = append(errs, tx.PutRecord(r))
			if i%5 == 0 {
				r.Generation = 2
				r.Attributes.Xattrs = map[string][]byte{"user.n": {byte(i)}}
				errs = append(errs, tx.PutRecord(r))
			}
			errs = append(errs, tx.PutPlace(catalog.Place{Set: 1, Column: i % 4, Offset: int64(i/4) * 131072, Length: 70000, Name: name, Generation: r.Generation}))
			for _, store := range []string{"primary", "dr"} {
				if i%7 != 0 {
					errs = append(errs, tx.PutCoverage(catalog.Coverage{Store: store, Name: name, Generation: r.Generation,
						Identity: r.Identity, VerifiedAt: day(2), Depth: catalog.DeepDirect, Run: 1}))
				}
			}
			if i%4 == 0 {
				errs = append(errs, tx.PutFinding(catalog.Finding{Store: "primary", Name: name, Verdict: "corrupt", Generation: r.Generation,
					Identity: r.Identity, Detail: []byte(`{"ranges":[]}`), FirstSeen: day(1), LastSeen: day(3), Run: 1, Lost: "no parity"}))
				errs = append(errs, tx.PutReceipt(catalog.Receipt{ID: fmt.Sprint("r", i), Store: "primary", Name: name, At: day(4),
					Outcome: "repaired", Detail: []byte(`{}`)}))
			}
		}
		errs = append(errs, tx.Vanish("dir 0/blob 00", day(5)), tx.Rename("dir 1/blob 01", "dir 1/renamed", day(5)))
		_, err := tx.PutSet(catalog.Set{Data: 4, Parity: 2, ShardSize: 65536, ColumnSize: 1 << 30, Stripes: 256, Code: "code", Tops: []int64{1, 2, 3, 4}})
		errs = append(errs, err)
		for number := range 3 {
			band := catalog.Band{Set: 1, Number: int64(number), Version: 7}
			for j := range 2 {
				band.Files = append(band.Files, catalog.ParityFile{Index: j, Name: fmt.Sprintf("1/%d-7.p%d", number, j), Hashes: record("p", int64(j)).Hashes})
			}
			errs = append(errs, tx.PutBand(band))
		}
		run, err := tx.StartRun("scrub", day(1))
		errs = append(errs, err, tx.FinishRun(catalog.Run{ID: run, Finished: day(2), Exit: 4, Summary: []byte(`{"n":1}`)}))
		gate, err := tx.OpenGate(catalog.Gate{Name: "mass-damage", Store: "dr", OpenedAt: day(1), Reason: "many", Level: 12})
		errs = append(errs, err, tx.ClearGate(gate, "looked", day(2)))
		_, err = tx.OpenGate(catalog.Gate{Name: "mass-missing", Store: "dr", OpenedAt: day(1), Reason: "many", Level: 12})
		errs = append(errs, err, tx.PutSetting("volume of primary", "fs 17"))
		return errors.Join(errs...)
	})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// contents is all that can be read of a catalog.
type contents struct {
	Known     []catalog.Known
	Ended     map[string][]catalog.Record
	Coverage  map[string]catalog.Coverage
	Findings  []catalog.Finding
	Runs      []catalog.Run
	Gates     []catalog.Gate
	Open      []catalog.Gate
	Receipts  []catalog.Receipt
	Sets      []catalog.Set
	Bands     []catalog.Band
	Places    []catalog.Place
	PlacesOf  map[string][]catalog.Place
	Setting   string
	Totals    catalog.Totals
	Freshness catalog.Freshness
	Counts    []catalog.FindingCount
}

// readAll reads a catalog by every method. What is damaged and said to be so
// is left out of the contents and counted.
type reading struct {
	contents
	refused int // readings that ended with ErrDamaged
	damaged int // records and coverage that were yielded as damaged
	err     error
}

func (r *reading) note(err error) {
	switch {
	case errors.Is(err, catalog.ErrDamaged):
		r.refused++
	case err != nil:
		r.err = errors.Join(r.err, err)
	}
}

// seen gathers a walk; nil when it was refused, since its caller would stop.
func seen[T any](r *reading, seq func(func(T, error) bool)) (all []T) {
	for v, err := range seq {
		if err != nil {
			r.note(err)
			return nil
		}
		all = append(all, v)
	}
	return all
}

func got[T any](r *reading, v T, err error) T {
	r.note(err)
	return v
}

var questions = []string{"dir 0/blob 00", "dir 0/blob 15", "dir 1/renamed", "dir 1/blob 01", "dir 2/blob 20", "dir 2/blob 38"}

func readAll(ctx context.Context, c *catalog.Catalog) *reading {
	r := &reading{}
	whole := true
	for k, err := range c.Records(ctx, catalog.Query{Store: "primary"}) {
		switch {
		case err != nil:
			r.note(err)
			whole = false
		case k.Damage != nil || k.SeenDamage != nil:
			r.damaged++
			whole = false
		default:
			r.Known = append(r.Known, k)
		}
	}
	if !whole {
		r.Known = nil
	}
	r.Ended, r.Coverage, r.PlacesOf = map[string][]catalog.Record{}, map[string]catalog.Coverage{}, map[string][]catalog.Place{}
	for _, name := range questions {
		if all, err := c.Generations(ctx, name); err != nil {
			r.note(err)
		} else if slices.ContainsFunc(all, func(g catalog.Record) bool { return g.Damage != nil }) {
			r.damaged++
		} else {
			r.Ended[name] = all
		}
		seen, err := c.Coverage(ctx, "dr", name)
		if err == nil {
			r.Coverage[name] = seen
		} else if !errors.Is(err, catalog.ErrNotRecorded) {
			r.note(err)
		} else {
			r.Coverage[name] = catalog.Coverage{Name: "none"}
		}
		for generation := range int64(3) {
			if places, err := c.PlacesOf(ctx, name, generation); err != nil {
				r.note(err)
			} else {
				r.PlacesOf[fmt.Sprint(name, generation)] = places
			}
		}
	}
	r.Findings = seen(r, c.Findings(ctx, ""))
	r.Receipts = seen(r, c.Receipts(ctx))
	r.Bands = seen(r, c.Bands(ctx, 0))
	r.Places = seen(r, c.PlacesIn(ctx, 1, -1, 0, 1<<40))
	{
		v, err := c.Runs(ctx, 10)
		r.Runs = got(r, v, err)
	}
	{
		v, err := c.Gates(ctx, true)
		r.Gates = got(r, v, err)
	}
	{
		v, err := c.Gates(ctx, false)
		r.Open = got(r, v, err)
	}
	{
		v, err := c.Sets(ctx)
		r.Sets = got(r, v, err)
	}
	{
		v, err := c.Setting(ctx, "volume of primary")
		r.Setting = got(r, v, err)
	}
	{
		v, err := c.Totals(ctx)
		r.Totals = got(r, v, err)
	}
	{
		v, err := c.Freshness(ctx, "dr")
		r.Freshness = got(r, v, err)
	}
	{
		v, err := c.CountFindings(ctx)
		r.Counts = got(r, v, err)
	}
	return r
}

// wrong compares what a damaged catalog gave with what it was: each part must
// be the same or have been refused. It returns what is neither.
func wrong(got, want *reading) string {
	if got.err != nil {
		return "an error that is not ErrDamaged: " + got.err.Error()
	}
	bad := 0
	var what string
	compare := func(name string, same, empty bool) {
		if !same {
			if bad++; !empty {
				what = name + " is wrong"
			}
		}
	}
	compare("Known", cmp.Equal(got.Known, want.Known), got.Known == nil)
	compare("Findings", cmp.Equal(got.Findings, want.Findings), got.Findings == nil)
	compare("Runs", cmp.Equal(got.Runs, want.Runs), got.Runs == nil)
	compare("Gates", cmp.Equal(got.Gates, want.Gates), got.Gates == nil)
	compare("Open", cmp.Equal(got.Open, want.Open), got.Open == nil)
	compare("Receipts", cmp.Equal(got.Receipts, want.Receipts), got.Receipts == nil)
	compare("Sets", cmp.Equal(got.Sets, want.Sets), got.Sets == nil)
	compare("Bands", cmp.Equal(got.Bands, want.Bands), got.Bands == nil)
	compare("Places", cmp.Equal(got.Places, want.Places), got.Places == nil)
	compare("Setting", got.Setting == want.Setting, got.Setting == "")
	compare("Totals", got.Totals == want.Totals, got.Totals == catalog.Totals{})
	compare("Freshness", cmp.Equal(got.Freshness, want.Freshness), cmp.Equal(got.Freshness, catalog.Freshness{}))
	compare("Counts", cmp.Equal(got.Counts, want.Counts), got.Counts == nil)
	for name, places := range want.PlacesOf {
		v, ok := got.PlacesOf[name]
		compare("PlacesOf "+name, ok && cmp.Equal(v, places), !ok)
	}
	for name, all := range want.Ended {
		v, ok := got.Ended[name]
		compare("Generations "+name, ok && cmp.Equal(v, all), !ok)
	}
	for name, seen := range want.Coverage {
		v, ok := got.Coverage[name]
		compare("Coverage "+name, ok && v == seen, !ok)
	}
	if what == "" && bad > got.refused+got.damaged {
		what = fmt.Sprintf("%d parts are missing, and %d were refused", bad, got.refused+got.damaged)
	}
	return what
}

// damagedCopy is where a test puts damaged files.
type damagedCopy struct {
	path string
	mark []byte // the epoch file
}

// try opens the bytes as a catalog and returns what is wrong with what it
// gives, and whether damage was noticed.
func (d *damagedCopy) try(ctx context.Context, file []byte, want *reading, writable bool, allow ...error) (complaint string, noticed bool) {
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(d.path + suffix)
	}
	if err := errors.Join(os.WriteFile(d.path, file, 0o600), os.WriteFile(d.path+"-epoch", d.mark, 0o600)); err != nil {
		return err.Error(), false
	}
	open := catalog.OpenReadOnly
	if writable {
		open = catalog.Open
	}
	c, err := open(ctx, d.path)
	if err != nil {
		if !slices.ContainsFunc(append(allow, catalog.ErrDamaged), func(e error) bool { return errors.Is(err, e) }) {
			return "opening: " + err.Error(), false
		}
		return "", true
	}
	defer c.Close()
	got := readAll(ctx, c)
	return wrong(got, want), got.refused+got.damaged > 0
}

// small makes a populated catalog and returns its bytes, what it says, and a
// place for damaged copies.
func small(t *testing.T) (file []byte, want *reading, copies *damagedCopy) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	populate(t, path)
	c, err := catalog.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want = readAll(t.Context(), c)
	if want.err != nil || want.refused+want.damaged > 0 || len(want.Known) != 39 || len(want.Places) != 40 || len(want.Open) != 1 {
		t.Fatalf("the catalog is not sound before it is damaged: %v, %d refused, %d records, %d places",
			want.err, want.refused, len(want.Known), len(want.Places))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	file, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mark, err := os.ReadFile(path + "-epoch")
	if err != nil {
		t.Fatal(err)
	}
	return file, want, &damagedCopy{path: filepath.Join(t.TempDir(), "damaged.sqlite"), mark: mark}
}

func TestNoFlippedBitGivesWrongData(t *testing.T) {
	fixtures.Sequential(t)
	file, want, copies := small(t)
	step := 997
	if *everyByte {
		step = 1
	}
	flips, noticed := 0, 0
	for at := 0; at < len(file); at++ {
		if at >= 100 && at%step != 0 {
			continue
		}
		damaged := bytes.Clone(file)
		damaged[at] ^= 1 << (at % 8)
		complaint, saw := copies.try(t.Context(), damaged, want, at%2 == 0)
		if complaint != "" {
			t.Errorf("byte %d (page %d, byte %d): %s", at, at/4096+1, at%4096, complaint)
		}
		flips++
		if saw {
			noticed++
		}
	}
	t.Logf("%d of %d flips were noticed in a file of %d bytes", noticed, flips, len(file))
	if noticed < flips/2 {
		t.Errorf("only %d of %d flips were noticed: the test does not read what it flips", noticed, flips)
	}
}

func TestNoTruncationGivesWrongData(t *testing.T) {
	file, want, copies := small(t)
	for _, length := range []int{0, 1, 15, 16, 99, 100, 512, 4095, 4096, 4097, 8192, len(file) / 2, len(file) - 4096, len(file) - 512, len(file) - 1} {
		complaint, noticed := copies.try(t.Context(), file[:length], want, length%2 == 0)
		if complaint != "" || !noticed {
			t.Errorf("truncated to %d of %d bytes: noticed %v %s", length, len(file), noticed, complaint)
		}
	}
	for _, zeroed := range []int{0, 4096, len(file) / 4096 / 2 * 4096} {
		damaged := bytes.Clone(file)
		clear(damaged[zeroed : zeroed+4096])
		if complaint, _ := copies.try(t.Context(), damaged, want, true); complaint != "" {
			t.Errorf("page at %d zeroed: %s", zeroed, complaint)
		}
	}
	longer := append(bytes.Clone(file), make([]byte, 5000)...)
	if complaint, _ := copies.try(t.Context(), longer, want, true); complaint != "" {
		t.Errorf("longer file: %s", complaint)
	}
}

// Damage that happens before the checksum of a page is computed, in memory or
// by a shell that knows page checksums, must be seen by Check at least.
func TestDamageUnderValidPageChecksumsIsFoundByCheck(t *testing.T) {
	fixtures.Sequential(t)
	file, want, copies := small(t)
	random := rand.New(rand.NewPCG(1, 2))
	n := 150
	if *everyByte {
		n = 20000
	}
	found := 0
	for range n {
		damaged := bytes.Clone(file)
		at := 100 + random.IntN(len(file)-100)
		if at%4096 >= 4088 {
			continue
		}
		damaged[at] ^= 1 << random.IntN(8)
		sealPage(damaged[at/4096*4096:][:4096])
		if err := errors.Join(os.WriteFile(copies.path, damaged, 0o600), os.WriteFile(copies.path+"-epoch", copies.mark, 0o600)); err != nil {
			t.Fatal(err)
		}
		c, err := catalog.Open(t.Context(), copies.path)
		if err != nil {
			found++
			continue
		}
		problems, err := c.Check(t.Context())
		got := readAll(t.Context(), c)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		if len(problems) > 0 {
			found++
		} else if complaint := wrong(got, want); complaint != "" {
			t.Errorf("byte %d (page %d, byte %d): Check found nothing, and %s", at, at/4096+1, at%4096, complaint)
		}
		c.Close()
	}
	if found < n/20 {
		t.Errorf("Check found %d of %d", found, n)
	}
	t.Logf("%d of %d found", found, n)
}

// sealPage computes the checksum of a page as https://sqlite.org/cksumvfs.html has it.
func sealPage(page []byte) {
	var s1, s2 uint32
	for p := page[:len(page)-8]; len(p) > 0; p = p[8:] {
		s1 += binary.LittleEndian.Uint32(p) + s2
		s2 += binary.LittleEndian.Uint32(p[4:]) + s1
	}
	binary.LittleEndian.PutUint32(page[len(page)-8:], s1)
	binary.LittleEndian.PutUint32(page[len(page)-4:], s2)
}
