package parity

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// BandID names one version of a band.
type BandID struct {
	Set     int64
	Number  int64
	Version int64
}

func (id BandID) String() string {
	return fmt.Sprintf("band %d of set %d, version %d", id.Number, id.Set, id.Version)
}

// FileName returns the name of a parity file below the parity folder:
// <set>/<band>-<version>.p<index>.
func FileName(id BandID, index int) string {
	return fmt.Sprintf("%d/%d-%d.p%d", id.Set, id.Number, id.Version, index)
}

// ParseFileName is the inverse of FileName; false for other names.
func ParseFileName(name string) (id BandID, index int, ok bool) {
	set, rest, _ := strings.Cut(name, "/")
	number, rest, _ := strings.Cut(rest, "-")
	version, column, _ := strings.Cut(rest, ".p")
	var err [4]error
	id.Set, err[0] = strconv.ParseInt(set, 10, 64)
	id.Number, err[1] = strconv.ParseInt(number, 10, 64)
	id.Version, err[2] = strconv.ParseInt(version, 10, 64)
	index, err[3] = strconv.Atoi(column)
	if err != [4]error{} || id.Set < 0 || id.Number < 0 || id.Version < 0 || index < 0 || FileName(id, index) != name {
		return BandID{}, 0, false
	}
	return id, index, true
}

const keptStamp = "20060102T150405.000000000Z"

// KeptName returns the name under which the damaged parity file of that name,
// FileName's, is kept in a quarantine: <time>-<set>-<band>-<version>.p<index>.
func KeptName(at time.Time, name string) string {
	return at.UTC().Format(keptStamp) + "-" + strings.ReplaceAll(name, "/", "-")
}

// ParseKeptName is the inverse of KeptName; false for other names.
func ParseKeptName(kept string) (at time.Time, name string, ok bool) {
	stamp, rest, _ := strings.Cut(kept, "-")
	name = strings.Replace(rest, "-", "/", 1)
	at, err := time.Parse(keptStamp, stamp)
	if _, _, ok := ParseFileName(name); !ok || err != nil || KeptName(at, name) != kept {
		return time.Time{}, "", false
	}
	return at, name, true
}
