package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"bitmend/hashsets/catalog"
)

// large is a record of a blob of many shards.
func large(name string, shards int) catalog.Record {
	r := record(name, 1)
	r.Identity.Size, r.Hashes.Size = int64(shards)<<16, int64(shards)<<16
	r.Hashes.ShardSums = make([]uint64, shards)
	for i := range r.Hashes.ShardSums {
		r.Hashes.ShardSums[i] = uint64(i) * 0x9e3779b97f4a7c15
	}
	return r
}

// lines returns the lines of an export.
func lines(t *testing.T, export []byte) []string {
	t.Helper()
	decoder, err := zstd.NewReader(bytes.NewReader(export))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	plain, err := io.ReadAll(decoder)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(plain), "\n"), "\n")
}

// What is written and read in pieces is one line as any other, whatever the
// name and the metadata of the blob look like.
func TestALargeRecordIsALineAsAnyOther(t *testing.T) {
	const confusing = `a","shard_sums":"00\`
	c := create(t)
	want := []catalog.Record{large(confusing, 70_000), large("b", 4096), large("c", 4095), record("d", 1)}
	want[0].Attributes.Metadata = map[string]string{"shard_sums": "11", confusing: confusing}
	want[0].Hashes.ShardSums[0] = 0
	put(t, c, want...)
	text := export(t, c)

	all, err := read(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range all {
		same(t, e.Name, e.Record, want[i])
	}
	for i, line := range lines(t, text) {
		var fields struct {
			Name      string `json:"name"`
			ShardSums string `json:"shard_sums"`
			Block     int    `json:"block"`
		}
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		for _, r := range want {
			if r.Name != fields.Name {
				continue
			}
			same(t, r.Name, len(fields.ShardSums), 16*len(r.Hashes.ShardSums))
			if !strings.Contains(line, `"shard_size":65536,"shard_sums":"`+fields.ShardSums+`","recorded_at":"2026-01-01T12:30:15.123456789Z",`) {
				t.Errorf("the sums of %q do not stand in their place", r.Name)
			}
		}
	}
	again := create(t)
	if err := again.Import(t.Context(), bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	for _, r := range want {
		got, err := again.Current(t.Context(), r.Name)
		if err != nil {
			t.Fatal(err)
		}
		same(t, r.Name, got, r)
	}
}

func TestALongLineMustMakeSense(t *testing.T) {
	line := func(sums string) string {
		return fmt.Sprintf(`{"name":"a","generation":1,"current":true,"kind":"file","size":1,"shard_size":1,%s"state":{"size":1},"attributes":{"mode":"644","uid":0,"gid":0}}`, sums)
	}
	digits := strings.Repeat("0123456789abcdef", 10_000)
	all, err := read(t.Context(), resealed(t, line(`"shard_sums":"`+digits+`",`)))
	if err != nil || len(all) != 1 || len(all[0].Hashes.ShardSums) != 10_000 || all[0].Hashes.ShardSums[9999] != 0x0123456789abcdef {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for what, text := range map[string]string{
		"half a sum":           line(`"shard_sums":"` + digits + `0011",`),
		"half a byte":          line(`"shard_sums":"` + digits + `0",`),
		"no digit":             line(`"shard_sums":"` + digits + `000000000000000g",`),
		"sums twice":           line(`"shard_sums":"` + digits + `","shard_sums":"",`),
		"another field":        line(`"shard_sums":"` + digits + `","more":1,`),
		"sums that do not end": strings.TrimSuffix(line(`"shard_sums":"`+digits), `}}`),
		"a long name":          strings.Replace(line(""), `"generation"`, `"name_base64":"`+digits+`","generation"`, 1) + "x",
		"two values":           line(`"shard_sums":"`+digits+`",`) + "{}",
	} {
		if _, err := read(t.Context(), resealed(t, text)); !errors.Is(err, catalog.ErrExportDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// allocated returns how many bytes do allocates, whether they are given back
// or not.
func allocated(t *testing.T, do func() error) int {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := do(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// held returns how many bytes are in use.
func held() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// The shard sums of a blob are not copied more often than it takes to have
// them once as the numbers that callers see and once as SQLite wants them, and
// none of that stays.
func TestSumsOfALargeBlobAreNotCopied(t *testing.T) {
	if testing.Short() {
		t.Skip("left to full runs: the race detector takes memory of its own")
	}
	const shards = 1 << 19
	c, again := create(t), create(t)
	r := large("blob", shards)
	var text bytes.Buffer
	text.Grow(32 * shards)
	ctx, begun := t.Context(), held()
	for _, step := range []struct {
		what   string
		copies float64
		do     func() error
	}{
		{"putting the record", 1, func() error { return c.Update(ctx, func(tx *catalog.Tx) error { return tx.PutRecord(r) }) }},
		{"looking it up", 1, func() error { _, err := c.Current(ctx, "blob"); return err }},
		{"looking its generation up", 1, func() error { _, err := c.Generation(ctx, "blob", 1); return err }},
		{"walking over it", 1, func() error {
			for _, err := range c.Records(ctx, catalog.Query{}) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"exporting it", 1, func() error { return c.Export(ctx, &text) }},
		{"reading the export", 1, func() error {
			for _, err := range catalog.ReadExport(ctx, bytes.NewReader(text.Bytes())) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"importing it", 2, func() error { return again.Import(ctx, bytes.NewReader(text.Bytes())) }},
		{"putting it anew", 2, func() error {
			r.Identity.Inode++
			return c.Update(ctx, func(tx *catalog.Tx) error { return tx.PutRecord(r) })
		}},
	} {
		const besides = 7 << 19 // buffers, whatever the blob's size
		got, most := allocated(t, step.do), int(step.copies*8*shards)+besides
		t.Logf("%s took %.2f times the sums", step.what, float64(got)/(8*shards))
		if got > most {
			t.Errorf("%s allocated %d bytes, want at most %d", step.what, got, most)
		}
	}
	if kept := held() - begun; kept > 4*shards {
		t.Errorf("%d bytes stay in use", kept)
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(text)
}

func TestHistoryComesOneByOneAndNewestFirst(t *testing.T) {
	c := create(t)
	for generation := range int64(3) {
		put(t, c, record("changed", generation+1))
	}
	update(t, c, func(tx *catalog.Tx) error {
		return errors.Join(tx.PutRecord(record("gone", 1)), tx.Vanish("gone", day(9)))
	})
	for _, name := range []string{"changed", "gone"} {
		want, err := c.Generations(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var got []catalog.Record
		for r, err := range c.History(t.Context(), name) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
			// The one who asks may ask more meanwhile.
			if _, err := c.Generation(t.Context(), name, r.Generation); err != nil {
				t.Error(err)
			}
		}
		same(t, name, got, want)
	}
	for r, err := range c.History(t.Context(), "never") {
		t.Errorf("a name that was never recorded has %v, %v", r, err)
	}
	for r := range c.History(t.Context(), "changed") {
		same(t, "the newest generation", r.Generation, int64(3))
		break
	}
	put(t, c, record("after", 1)) // a walk that was ended is over
}
