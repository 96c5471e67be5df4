package eventschema_test

import (
	"strings"
	"testing"

	"bitmend/scrub/report/eventschema"
)

func read(t *testing.T) *eventschema.Schema {
	t.Helper()
	s, err := eventschema.Read("../schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The validator must itself refuse what is wrong, or the test on it is none.
func TestTheSchemaRefusesWhatIsWrong(t *testing.T) {
	good := `{"event":"finding","store":"s","blob":"b","verdict":"corrupt","ranges":[{"offset":0,"length":1}],"digests":[{"algorithm":"md5","recorded":"00"}],"size":1}`
	if err := read(t).Check([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"event":"finding"`, `"event":"found"`},
		{`"blob":"b",`, ``},
		{`"blob":"b"`, `"blob":"b","blob_base64":"Yg=="`},
		{`"blob":"b"`, `"blob_base64":"#"`},
		{`"blob":"b"`, `"blob":null`},
		{`"verdict":"corrupt"`, `"verdict":"intact"`},
		{`"offset":0`, `"offset":-1`},
		{`"offset":0`, `"offset":0.5`},
		{`"offset":0`, `"offset":"0"`},
		{`"length":1`, `"length":1,"end":1`},
		{`"recorded":"00"`, `"recorded":"0G"`},
		{`"ranges":[`, `"ranges":null,"x":[`},
		{`"size":1`, `"size":1,"sise":1`},
		{`,"size":1`, ``},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("nothing of %s to change", change[0])
		}
		if read(t).Check([]byte(bad)) == nil {
			t.Errorf("the schema holds for %s", bad)
		}
	}
}
