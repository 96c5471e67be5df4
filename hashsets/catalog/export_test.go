package catalog_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"bitmend/fixtures"
	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
)

// varied makes a catalog with odd names, links, history and places.
func varied(t *testing.T) *catalog.Catalog {
	t.Helper()
	c := create(t)
	update(t, c, func(tx *catalog.Tx) error {
		var errs []error
		for i := range 600 {
			r := record(blobName(i), 1)
			r.Identity.Inode = uint64(i)
			errs = append(errs, tx.PutRecord(r), tx.PutPlace(catalog.Place{Set: 1, Column: i % 8, Offset: int64(i) << 17, Length: 70000, Name: r.Name, Generation: 1}))
		}
		odd := record("odd \xff\n\"<&>\u2028", 1)
		odd.Attributes.Xattrs = map[string][]byte{"user.x\xfe": {0, 255}, "user.empty": nil}
		odd.Attributes.Metadata = map[string]string{"k": "\xff"}
		odd.Identity.ETag = `"x"`
		link := catalog.Record{Name: "link", Generation: 1, Kind: hashsets.Link, Target: "a\xffb", RecordedAt: day(1)}
		dir := catalog.Record{Name: "dir", Generation: 1, Kind: hashsets.Directory, RecordedAt: day(1), Attributes: hashsets.Attributes{Mode: 0o1777}}
		errs = append(errs, tx.PutRecord(odd), tx.PutRecord(link), tx.PutRecord(dir))
		for generation := range int64(3) {
			errs = append(errs, tx.PutRecord(record("changed", generation+1)))
		}
		errs = append(errs, tx.PutRecord(record("gone", 1)), tx.Vanish("gone", day(9)))
		return errors.Join(errs...)
	})
	return c
}

func export(t testing.TB, c *catalog.Catalog) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := c.Export(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read gathers an export, and the error that it ends with.
func read(ctx context.Context, text []byte) (all []catalog.Exported, err error) {
	for e, err := range catalog.ReadExport(ctx, bytes.NewReader(text)) {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

func TestExportComesBackIntoAnEmptyCatalog(t *testing.T) {
	c := varied(t)
	text := export(t, c)
	all, err := read(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "lines", len(all), 600+3+3+1)

	again := create(t)
	if err := again.Import(t.Context(), bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names(t, c, catalog.Query{}), "gone") {
		want, err := c.Generations(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := again.Generations(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, got, want)
		places, _ := c.PlacesOf(t.Context(), name, 1)
		gotPlaces, _ := again.PlacesOf(t.Context(), name, 1)
		same(t, "places of "+name, gotPlaces, places)
	}
	same(t, "names", names(t, again, catalog.Query{}), names(t, c, catalog.Query{}))
	if problems, err := again.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if err := again.Import(t.Context(), bytes.NewReader(text)); err == nil {
		t.Error("an export went into a catalog that has records")
	}
}

func TestExportIsTextForZstdAndGrep(t *testing.T) {
	zstdcat, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("needs zstd")
	}
	cmd := exec.Command(zstdcat, "-dc")
	cmd.Stdin = bytes.NewReader(export(t, varied(t)))
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, prefix := range map[int]string{
		0:              `{"format":"bitmend hash sets","version":1,`,
		1:              `{"name":"2024/trip-000/image-0000000.raw","generation":1,"current":true,"kind":"file","size":70000,"digests":{"sha256":"`,
		len(lines) - 2: `{"block":`,
		len(lines) - 1: `{"end":"bitmend hash sets","blocks":`,
	} {
		if !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("line %d is %s", i, lines[i])
		}
	}
	if !strings.Contains(string(text), `{"name_base64":"b2RkIP8`) {
		t.Error("the name that is not UTF-8 is not in base64")
	}
}

func TestDamagedExportIsNoticed(t *testing.T) {
	fixtures.Sequential(t)
	text := export(t, varied(t))
	whole, err := read(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	// right tells whether what was read before an error is right.
	right := func(what string, got []catalog.Exported, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: nothing was noticed", what)
		}
		if !errors.Is(err, catalog.ErrExportDamaged) && !errors.Is(err, catalog.ErrNotExport) && !errors.Is(err, catalog.ErrExportNewer) {
			t.Errorf("%s: %v", what, err)
		}
		if len(got) > len(whole) {
			t.Fatalf("%s: too many records", what)
		}
		if len(got) > 0 {
			same(t, what, got[len(got)-1], whole[len(got)-1])
		}
	}
	for at := 0; at < len(text); at += 1 + len(text)/50 {
		damaged := bytes.Clone(text)
		damaged[at] ^= 1 << (at % 8)
		got, err := read(t.Context(), damaged)
		right(fmt.Sprint("flipped bit in byte ", at), got, err)
		got, err = read(t.Context(), text[:at])
		right(fmt.Sprint("cut at byte ", at), got, err)
	}

	// Below the checksums of zstd.
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	plain, err := decoder.DecodeAll(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(plain, []byte("\n"))
	for what, change := range map[string]func([][]byte) [][]byte{
		"a digit":       func(l [][]byte) [][]byte { l[5] = bytes.Replace(l[5], []byte("70000"), []byte("70001"), 1); return l },
		"a line gone":   func(l [][]byte) [][]byte { return append(l[:5:5], l[6:]...) },
		"a line twice":  func(l [][]byte) [][]byte { return append(l[:6:6], l[5:]...) },
		"no trailer":    func(l [][]byte) [][]byte { return l[:len(l)-2] },
		"after the end": func(l [][]byte) [][]byte { return append(l, l[1]) },
		"header changed": func(l [][]byte) [][]byte {
			l[0] = bytes.Replace(l[0], []byte(`"epoch":`), []byte(`"epoch":1`), 1)
			return l
		},
		"another version": func(l [][]byte) [][]byte {
			l[0] = bytes.Replace(l[0], []byte(`"version":1`), []byte(`"version":2`), 1)
			return l
		},
		"first block gone": func(l [][]byte) [][]byte {
			for i := range l {
				if bytes.HasPrefix(l[i], []byte(`{"block"`)) {
					return append(l[:1:1], l[i+1:]...)
				}
			}
			return l
		},
	} {
		changed := make([][]byte, len(lines))
		for i := range lines {
			changed[i] = bytes.Clone(lines[i])
		}
		joined := bytes.Join(change(changed), nil)
		if bytes.Equal(joined, plain) {
			t.Fatal(what, "changed nothing")
		}
		got, err := read(t.Context(), encoder.EncodeAll(joined, nil))
		right(what, got, err)
		c := create(t)
		if err := c.Import(t.Context(), bytes.NewReader(encoder.EncodeAll(joined, nil))); err == nil {
			t.Errorf("%s was imported", what)
		}
		if left := names(t, c, catalog.Query{}); len(left) > 0 {
			t.Errorf("%s: %d records were left behind", what, len(left))
		}
	}
}

// resealed makes an export of one block out of lines of records, with right
// digests and counts.
func resealed(t *testing.T, records ...string) []byte {
	t.Helper()
	header := `{"format":"bitmend hash sets","version":1,"catalog":"00","epoch":1}` + "\n"
	block := strings.Join(records, "\n") + "\n"
	current := strings.Count(block, `"current":true`)
	body := header + block + fmt.Sprintf(`{"block":1,"lines":%d,"sha256":"%x"}`, len(records), sha256.Sum256([]byte(block))) + "\n"
	text := body + fmt.Sprintf(`{"end":"bitmend hash sets","blocks":1,"records":%d,"ended":%d,"places":0,"sha256":"%x"}`,
		current, len(records)-current, sha256.Sum256([]byte(body))) + "\n"
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	return encoder.EncodeAll([]byte(text), nil)
}

func TestExportWithRightDigestsMustMakeSense(t *testing.T) {
	line := func(name string, generation int, current bool, more string) string {
		return fmt.Sprintf(`{"name":%q,"generation":%d,"current":%v,"kind":"file","size":1,"state":{"size":1},"attributes":{"mode":"644","uid":0,"gid":0}%s}`,
			name, generation, current, more)
	}
	if all, err := read(t.Context(), resealed(t, line("a", 1, false, ""), line("a", 2, true, ""), line("b", 1, true, ""))); err != nil || len(all) != 3 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for what, records := range map[string][]string{
		"names out of order":       {line("b", 1, true, ""), line("a", 1, true, "")},
		"a name twice":             {line("a", 1, true, ""), line("a", 1, true, "")},
		"generations out of order": {line("a", 2, false, ""), line("a", 1, true, "")},
		"two current ones":         {line("a", 1, true, ""), line("a", 2, true, "")},
		"an ended one after":       {line("a", 1, true, ""), line("a", 2, false, "")},
		"no name":                  {line("", 1, true, "")},
		"no generation":            {line("a", 0, true, "")},
		"an unknown field":         {line("a", 1, true, `,"new":1`)},
		"an unknown kind":          {strings.Replace(line("a", 1, true, ""), `"file"`, `"fifo"`, 1)},
		"half a shard sum":         {line("a", 1, true, `,"shard_sums":"0011"`)},
		"a mode that is none":      {strings.Replace(line("a", 1, true, ""), `"644"`, `"rw-"`, 1)},
		"a time out of range":      {line("a", 1, true, `,"recorded_at":"3000-01-01T00:00:00Z"`)},
		"two values":               {line("a", 1, true, "") + "{}"},
	} {
		if _, err := read(t.Context(), resealed(t, records...)); !errors.Is(err, catalog.ErrExportDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzReadExport(f *testing.F) {
	c, err := catalog.Create(f.Context(), filepath.Join(f.TempDir(), "catalog.sqlite"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { c.Close() })
	fill(f, c, 3)
	text := export(f, c)
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		f.Fatal(err)
	}
	plain, err := decoder.DecodeAll(text, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add([]byte(`{"format":"bitmend hash sets","version":1}` + "\n"))
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		text := encoder.EncodeAll(plain, nil)
		all, err := read(t.Context(), text)
		if err == nil && len(all) != bytes.Count(plain, []byte(`"generation":`)) {
			t.Errorf("%d records of %s", len(all), plain)
		}
		read(t.Context(), plain) // as what it is, without zstd
	})
}
