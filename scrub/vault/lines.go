package vault

import (
	"fmt"
	"strings"
)

// keyLines says on which line of a TOML file a key stands. Keys are written
// as "table.key", and "table[1].key" in the second of an array of tables. The
// parser does not tell lines apart in arrays of tables, and says nothing of
// the line of a value that it accepted.
type keyLines map[string]int

// linesOf finds the keys of a text that the parser has accepted.
func linesOf(text string) keyLines {
	lines, tables := keyLines{}, map[string]int{}
	table, within := "", ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if within != "" {
			if strings.Contains(line, within) {
				within = ""
			}
			continue
		}
		name, isArray := strings.CutPrefix(line, "[[")
		switch {
		case isArray:
			name = plainKey(name[:max(0, strings.IndexByte(name, ']'))])
			table = fmt.Sprintf("%s[%d].", name, tables[name])
			tables[name]++
			lines.note(name, i+1)
			lines.note(table, i+1)
		case strings.HasPrefix(line, "["):
			name = plainKey(line[1:max(1, strings.IndexByte(line, ']'))])
			table = name + "."
			lines.note(table, i+1)
		default:
			key, value, isKey := strings.Cut(line, "=")
			if !isKey || strings.HasPrefix(line, "#") {
				continue
			}
			lines.note(table+plainKey(key), i+1)
			within = openEnd(value)
		}
	}
	return lines
}

// note remembers the first line of a key.
func (l keyLines) note(key string, line int) {
	key = strings.TrimSuffix(key, ".")
	if _, known := l[key]; !known {
		l[key] = line
	}
}

// of returns the line of the key, or of the nearest thing around it that has
// one; 0 when there is none.
func (l keyLines) of(key string) int {
	for key != "" {
		if line, ok := l[key]; ok {
			return line
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0
}

// plainKey takes blanks and quotes from the parts of a dotted key.
func plainKey(key string) string {
	parts := strings.Split(key, ".")
	for i := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(parts[i]), `"'`)
	}
	return strings.Join(parts, ".")
}

// openEnd returns the mark that ends a string of several lines that begins in
// value, "" when none does.
func openEnd(value string) string {
	for _, mark := range []string{`"""`, `'''`} {
		if strings.Count(value, mark)%2 == 1 {
			return mark
		}
	}
	return ""
}
