// Package eventschema holds what bitmend writes with --json to the schema that
// is committed beside package report. It is for tests.
package eventschema

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
	"time"
)

// Schema is schema.json with the means to hold values to it. It knows the
// keywords that the file uses and no others: an unknown keyword fails.
type Schema struct {
	root map[string]any
	seen map[string]bool // properties that some value had, by path in the schema
}

// Read reads the schema of a file.
func Read(path string) (*Schema, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	s := &Schema{seen: map[string]bool{}}
	if err := json.Unmarshal(text, &s.root); err != nil {
		return nil, fmt.Errorf("reading the schema %s: %w", path, err)
	}
	return s, nil
}

// Check holds one line of output to the schema.
func (s *Schema) Check(line []byte) error {
	var value any
	if err := json.Unmarshal(line, &value); err != nil {
		return err
	}
	return s.holds(s.root, "#", value)
}

func (s *Schema) holds(rule map[string]any, path string, value any) error {
	for keyword, want := range rule {
		if err := s.keyword(rule, path, keyword, want, value); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func (s *Schema) keyword(rule map[string]any, path, keyword string, want, value any) error {
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

func (s *Schema) oneOf(rules []any, path string, value any) error {
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

// Unseen returns the properties that no value had.
func (s *Schema) Unseen() []string {
	var missing []string
	for name, rule := range s.root["$defs"].(map[string]any) {
		missing = append(missing, s.unseenIn(rule.(map[string]any), "#/$defs/"+name)...)
	}
	slices.Sort(missing)
	return missing
}

func (s *Schema) unseenIn(rule map[string]any, path string) []string {
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
