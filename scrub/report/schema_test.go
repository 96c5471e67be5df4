package report_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// schema is schema.json with the means to hold values to it. It knows the
// keywords that the file uses and no others: an unknown keyword fails.
type schema struct {
	root map[string]any
	seen map[string]bool // properties that some value had, by path in the schema
}

func readSchema(t *testing.T) *schema {
	t.Helper()
	text, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := &schema{seen: map[string]bool{}}
	if err := json.Unmarshal(text, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

// check holds one line of output to the schema.
func (s *schema) check(line []byte) error {
	var value any
	if err := json.Unmarshal(line, &value); err != nil {
		return err
	}
	return s.holds(s.root, "#", value)
}

func (s *schema) holds(rule map[string]any, path string, value any) error {
	for keyword, want := range rule {
		if err := s.keyword(rule, path, keyword, want, value); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func (s *schema) keyword(rule map[string]any, path, keyword string, want, value any) error {
	object, _ := value.(map[string]any)
	switch keyword {
	case "$schema", "$defs", "title", "description":
	case "$ref":
		name := strings.TrimPrefix(want.(string), "#/$defs/")
		return s.holds(s.root["$defs"].(map[string]any)[name].(map[string]any), want.(string), value)
	case "oneOf":
		return s.oneOf(want.([]any), path, value)
	case "type":
		if !isOf(want.(string), value) {
			return fmt.Errorf("%v is not of type %v", value, want)
		}
	case "const":
		if !reflect.DeepEqual(want, value) {
			return fmt.Errorf("%v is not %v", value, want)
		}
	case "enum":
		if !slices.Contains(want.([]any), value) {
			return fmt.Errorf("%v is none of %v", value, want)
		}
	case "pattern":
		if text, isText := value.(string); !isText || !regexp.MustCompile(want.(string)).MatchString(text) {
			return fmt.Errorf("%q does not match %v", value, want)
		}
	case "format":
		if _, err := time.Parse(time.RFC3339, fmt.Sprint(value)); err != nil || !strings.HasSuffix(fmt.Sprint(value), "Z") {
			return fmt.Errorf("%v is not a time in UTC", value)
		}
	case "contentEncoding":
		if _, err := base64.StdEncoding.DecodeString(fmt.Sprint(value)); err != nil {
			return err
		}
	case "minimum":
		if n, ok := value.(float64); ok && n < want.(float64) {
			return fmt.Errorf("%v is below %v", n, want)
		}
	case "maximum":
		if n, ok := value.(float64); ok && n > want.(float64) {
			return fmt.Errorf("%v is above %v", n, want)
		}
	case "items":
		values, _ := value.([]any)
		for _, v := range values {
			if err := s.holds(want.(map[string]any), path+"/items", v); err != nil {
				return err
			}
		}
	case "required":
		for _, name := range want.([]any) {
			if _, present := object[name.(string)]; !present {
				return fmt.Errorf("%v is required", name)
			}
		}
	case "properties":
		for name, propertyRule := range want.(map[string]any) {
			if v, present := object[name]; present {
				s.seen[path+"/"+name] = true
				if err := s.holds(propertyRule.(map[string]any), path+"/"+name, v); err != nil {
					return err
				}
			}
		}
	case "propertyNames":
		for name := range object {
			if err := s.holds(want.(map[string]any), path+"/names", name); err != nil {
				return err
			}
		}
	case "additionalProperties":
		properties, _ := rule["properties"].(map[string]any)
		for name, v := range object {
			if _, known := properties[name]; known {
				continue
			}
			if want == false {
				return fmt.Errorf("unexpected property %q", name)
			}
			if err := s.holds(want.(map[string]any), path+"/others", v); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("this test does not know the keyword %q", keyword)
	}
	return nil
}

func (s *schema) oneOf(rules []any, path string, value any) error {
	var held int
	var errs []string
	for _, rule := range rules {
		if err := s.holds(rule.(map[string]any), path, value); err != nil {
			errs = append(errs, err.Error())
		} else {
			held++
		}
	}
	if held != 1 {
		return fmt.Errorf("%d of the alternatives hold, want 1:\n\t%s", held, strings.Join(errs, "\n\t"))
	}
	return nil
}

func isOf(kind string, value any) bool {
	switch v := value.(type) {
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	}
	return false
}

// unseen returns the properties that no value had.
func (s *schema) unseen() []string {
	var missing []string
	for name, rule := range s.root["$defs"].(map[string]any) {
		missing = append(missing, s.unseenIn(rule.(map[string]any), "#/$defs/"+name)...)
	}
	slices.Sort(missing)
	return missing
}

func (s *schema) unseenIn(rule map[string]any, path string) []string {
	var missing []string
	properties, _ := rule["properties"].(map[string]any)
	for name, r := range properties {
		if !s.seen[path+"/"+name] {
			missing = append(missing, path+"/"+name)
		}
		missing = append(missing, s.unseenIn(r.(map[string]any), path+"/"+name)...)
	}
	if items, ok := rule["items"].(map[string]any); ok {
		missing = append(missing, s.unseenIn(items, path+"/items")...)
	}
	return missing
}

// The validator must itself refuse what is wrong, or the test on it is none.
func TestTheSchemaRefusesWhatIsWrong(t *testing.T) {
	good := `{"event":"finding","store":"s","blob":"b","verdict":"corrupt","ranges":[{"offset":0,"length":1}],"digests":[{"algorithm":"md5","recorded":"00"}],"size":1}`
	if err := readSchema(t).check([]byte(good)); err != nil {
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
		if readSchema(t).check([]byte(bad)) == nil {
			t.Errorf("the schema holds for %s", bad)
		}
	}
}
