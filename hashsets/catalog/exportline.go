package catalog

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"bitmend/hashsets"
)

// The lines of an export. Their fields are part of the format, version 1: a
// change of what a field means is a new version.
type (
	headerLine struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Catalog string `json:"catalog"` // its ID
		Epoch   int64  `json:"epoch"`   // how many updates it had seen
	}

	// A blockLine ends the lines of a block: their number, and the digest of
	// their bytes with the newlines.
	blockLine struct {
		Block  int    `json:"block"` // 1, 2, 3 …
		Lines  int    `json:"lines"`
		SHA256 string `json:"sha256"`
	}

	// A trailerLine is the last one: counts, and the digest of all bytes before.
	trailerLine struct {
		End     string `json:"end"` // the header's format again
		Blocks  int    `json:"blocks"`
		Records int    `json:"records"` // current ones
		Ended   int    `json:"ended"`   // those that were superseded or vanished
		Places  int    `json:"places"`
		SHA256  string `json:"sha256"`
	}

	// A recordLine is in parts, since the shard sums of a large blob are written
	// and read apart from the rest of its line.
	recordLine struct {
		recordHead
		ShardSums hexed `json:"shard_sums,omitempty"` // 8 bytes each, big-endian
		recordTail
	}

	recordHead struct {
		Name       *string          `json:"name,omitempty"`
		NameBase64 []byte           `json:"name_base64,omitempty"` // when it is not UTF-8
		Generation int64            `json:"generation"`
		Current    bool             `json:"current"`
		Kind       string           `json:"kind"`
		Size       int64            `json:"size"`
		Digests    map[string]hexed `json:"digests,omitempty"`
		ShardSize  int64            `json:"shard_size,omitempty"`
	}

	recordTail struct {
		RecordedAt   stamp            `json:"recorded_at,omitzero"`
		EndedAt      stamp            `json:"ended_at,omitzero"`
		Target       *string          `json:"target,omitempty"`
		TargetBase64 []byte           `json:"target_base64,omitempty"`
		State        stateObject      `json:"state"`
		Attributes   attributesObject `json:"attributes"`
		Places       []placeObject    `json:"places,omitempty"`
	}

	stateObject struct {
		Size       int64   `json:"size"`
		ModTime    stamp   `json:"mod_time,omitzero"`
		ChangeTime stamp   `json:"change_time,omitzero"`
		Device     uint64  `json:"device,omitempty"`
		Inode      uint64  `json:"inode,omitempty"`
		ETag       anyText `json:"etag,omitempty"`
		Version    anyText `json:"version,omitempty"`
	}

	attributesObject struct {
		Mode    string `json:"mode"` // octal
		UID     uint32 `json:"uid"`
		GID     uint32 `json:"gid"`
		ModTime stamp  `json:"mod_time,omitzero"`
		extra
	}

	placeObject struct {
		Set        int64 `json:"set"`
		Column     int   `json:"column"`
		Offset     int64 `json:"offset"`
		Length     int64 `json:"length"`
		BlobOffset int64 `json:"blob_offset"`
	}
)

// hexed is bytes that JSON shows in hexadecimal.
type hexed []byte

func (h hexed) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

func (h *hexed) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// stamp is nanoseconds since 1970 that JSON shows as a time; 0 for none.
type stamp int64

func (s stamp) MarshalText() ([]byte, error) {
	return time.Unix(0, int64(s)).UTC().AppendFormat(nil, time.RFC3339Nano), nil
}

func (s *stamp) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err == nil {
		err = validTime(t)
	}
	*s = stamp(t.UnixNano())
	return err
}

// splitText gives a text to JSON as it is, or in base64 when it is not UTF-8.
func splitText(s string) (plain *string, base64 []byte) {
	if utf8.ValidString(s) {
		return &s, nil
	}
	return nil, []byte(s)
}

func joinText(plain *string, base64 []byte) string {
	if plain != nil {
		return *plain
	}
	return string(base64)
}

// lineOf is a record's line but for its shard sums.
func lineOf(e *Exported) recordLine {
	r := &e.Record
	var line recordLine
	line.recordHead = recordHead{
		Generation: r.Generation, Current: e.Current, Kind: r.Kind.String(), Size: r.Hashes.Size, ShardSize: r.Hashes.ShardSize,
	}
	line.recordTail = recordTail{
		RecordedAt: stamp(nanoseconds(r.RecordedAt)), EndedAt: stamp(nanoseconds(e.EndedAt)),
		State: stateObject{
			Size: r.Identity.Size, ModTime: stamp(r.Identity.ModTime), ChangeTime: stamp(r.Identity.ChangeTime),
			Device: r.Identity.Device, Inode: r.Identity.Inode, ETag: anyText(r.Identity.ETag), Version: anyText(r.Identity.Version),
		},
		Attributes: attributesObject{
			Mode: strconv.FormatUint(uint64(r.Attributes.Mode), 8), UID: r.Attributes.UID, GID: r.Attributes.GID,
			ModTime: stamp(r.Attributes.ModTime), extra: extraOf(&r.Attributes),
		},
	}
	line.Name, line.NameBase64 = splitText(r.Name)
	if r.Target != "" {
		line.Target, line.TargetBase64 = splitText(r.Target)
	}
	if len(r.Hashes.Digests) > 0 {
		line.Digests = make(map[string]hexed, len(r.Hashes.Digests))
	}
	for _, d := range r.Hashes.Digests {
		line.Digests[string(d.Algorithm)] = d.Sum
	}
	for _, p := range e.Places {
		line.Places = append(line.Places, placeObject{p.Set, p.Column, p.Offset, p.Length, p.BlobOffset})
	}
	return line
}

// parseLine is strict: what it does not know, it cannot vouch for.
func parseLine(text []byte) (Exported, error) {
	var line recordLine
	if err := parseStrictly(text, &line); err != nil {
		return Exported{}, err
	}
	kind, err := kindNamed(line.Kind)
	if err != nil {
		return Exported{}, err
	}
	mode, err := strconv.ParseUint(line.Attributes.Mode, 8, 32)
	if err != nil {
		return Exported{}, fmt.Errorf("the mode: %w", err)
	}
	sums, err := unpackShardSums(line.ShardSums)
	if err != nil {
		return Exported{}, err
	}
	e := Exported{Current: line.Current, EndedAt: instant(int64(line.EndedAt)), Record: Record{
		Name: joinText(line.Name, line.NameBase64), Generation: line.Generation, RecordedAt: instant(int64(line.RecordedAt)),
		Kind: kind, Target: joinText(line.Target, line.TargetBase64),
		Identity: hashsets.Identity{
			Size: line.State.Size, ModTime: int64(line.State.ModTime), ChangeTime: int64(line.State.ChangeTime),
			Device: line.State.Device, Inode: line.State.Inode, ETag: string(line.State.ETag), Version: string(line.State.Version),
		},
		Attributes: hashsets.Attributes{
			Mode: uint32(mode), UID: line.Attributes.UID, GID: line.Attributes.GID, ModTime: int64(line.Attributes.ModTime),
		},
		Hashes: hashsets.HashSet{Size: line.Size, Digests: sortedDigests(line.Digests), ShardSize: line.ShardSize, ShardSums: sums},
	}}
	line.Attributes.giveTo(&e.Attributes)
	if e.Name == "" || e.Generation < 1 {
		return Exported{}, fmt.Errorf("a record needs a name and a generation from 1 on")
	}
	for _, p := range line.Places {
		e.Places = append(e.Places, Place{Set: p.Set, Column: p.Column, Offset: p.Offset, Length: p.Length,
			BlobOffset: p.BlobOffset, Name: e.Name, Generation: e.Generation})
	}
	return e, nil
}
