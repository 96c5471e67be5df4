package finding_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"bitmend/hashsets"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"

	"github.com/google/go-cmp/cmp"
)

func full() finding.Finding {
	no := false
	return finding.Finding{
		Store: "primary", Blob: "2024/a.raw", Verdict: finding.Corrupt, Diagnosis: finding.BitFlip,
		Ranges: []store.Range{{Offset: 65536, Length: 65536}, {Offset: math.MaxInt64 - 1, Length: 1}},
		Digests: []finding.Compared{
			{Algorithm: "sha256", Recorded: []byte{0xab, 0}, Computed: []byte{1}},
			{Algorithm: "md5", Recorded: []byte{2}},
		},
		Evidence: []string{"bit 3 of byte 7 differs", "<&>"}, Reason: "a reason", Denied: true, Generation: 3, Kind: hashsets.File,
		Identity: hashsets.Identity{
			Size: 9, ModTime: math.MaxInt64, ChangeTime: 1700000000123456789,
			Device: math.MaxUint64, Inode: math.MaxUint64 - 1, ETag: `"e"`, Version: "v",
		},
		Size: 10, Repairable: &no, Sources: []string{"parity", "replica"}, Lost: "why",
	}
}

func TestAFindingSurvivesItsJSON(t *testing.T) {
	missing := finding.Finding{Store: "dr", Blob: "b", Verdict: finding.Missing}
	cases := []finding.Finding{full(), missing, {}}
	for _, name := range []string{"caf\xe9", "\xff\xfe\x00", "new\nline\x1b", "ünï\u202e", "", "\ufffd"} {
		f := missing
		f.Blob = name
		cases = append(cases, f)
	}
	for _, want := range cases {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got finding.Finding
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\nin %s", diff, text)
		}
	}
}

// A field that is added to Finding and not to its JSON would be lost.
func TestTheFullFindingHasEveryField(t *testing.T) {
	for _, v := range []any{full(), full().Identity, full().Digests[0]} {
		value := reflect.ValueOf(v)
		for i := range value.NumField() {
			if value.Field(i).IsZero() {
				t.Errorf("the test's %s has no %s", value.Type(), value.Type().Field(i).Name)
			}
		}
	}
}

func TestTheJSONCanBeReadByAPerson(t *testing.T) {
	text, err := json.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"blob":"2024/a.raw"`, `"diagnosis":"bit-flip"`, `"recorded":"ab00"`, `{"offset":65536,"length":65536}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestWhatIsNoFindingIsRefused(t *testing.T) {
	for _, text := range []string{`{"digests":[{"recorded":"xy"}]}`, `{"blob_base64":"*"}`, `[]`, `{"size":"1"}`} {
		var f finding.Finding
		if err := json.Unmarshal([]byte(text), &f); err == nil {
			t.Errorf("%s is taken for %+v", text, f)
		}
	}
}
