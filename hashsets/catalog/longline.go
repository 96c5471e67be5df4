package catalog

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"bitmend/hashsets"
)

// A longLine takes a record's line piece by piece and keeps its shard sums as
// numbers, apart from the rest, so that the text of those of a large blob is
// never in memory.
type longLine struct {
	text []byte // of the line, with no sums between the quotes
	sums []uint64

	scanned int  // of text
	depth   int  // of objects and lists
	quoted  bool // within a string
	escaped bool // behind a backslash in it
	from    int  // where the last string of depth 1 begins in text
	to      int  // and where it ends
	named   bool // it is the name of what comes next
	met     int  // how often the sums were
	cutting bool // within them
	digits  []byte
	packed  []byte
}

const (
	sumsName   = "shard_sums"
	mostAtOnce = 1 << 24 // sums for which room is made by what the line says of the blob
)

// take takes the next piece of the line.
func (l *longLine) take(piece []byte) error {
	for len(piece) > 0 {
		if l.cutting {
			n, err := l.takeSums(piece)
			if err != nil {
				return err
			}
			piece = piece[n:]
			continue
		}
		l.text = append(l.text, piece...)
		after := l.scan()
		piece = piece[len(piece)-(len(l.text)-after):]
		l.text = l.text[:after]
	}
	return nil
}

// scan goes through the text that is not scanned yet, up to the quote that the
// sums begin behind if there is one.
func (l *longLine) scan() (after int) {
	for l.scanned < len(l.text) && !l.cutting {
		l.see(l.text[l.scanned])
		l.scanned++
	}
	return l.scanned
}

func (l *longLine) see(c byte) {
	switch {
	case l.escaped:
		l.escaped = false
	case l.quoted && c == '\\':
		l.escaped = true
	case l.quoted && c == '"':
		l.quoted, l.to = false, l.scanned
	case l.quoted:
	case c == '"' && l.depth == 1 && l.named && string(l.text[l.from:l.to]) == sumsName:
		l.cutting = true
		l.met++
	case c == '"':
		l.quoted = true
		if l.depth == 1 {
			l.from = l.scanned + 1
		}
	case c == ':' && l.depth == 1:
		l.named = true
	case c == ',' && l.depth == 1:
		l.named = false
	case c == '{', c == '[':
		l.depth++
	case c == '}', c == ']':
		l.depth--
	}
}

// takeSums takes sums up to the quote behind them, and returns how many bytes
// of the piece those are.
func (l *longLine) takeSums(piece []byte) (n int, err error) {
	if l.sums == nil {
		l.sums = make([]uint64, 0, l.expected())
	}
	n = bytes.IndexByte(piece, '"')
	if n >= 0 {
		l.cutting = false
	} else {
		n = len(piece)
	}
	l.digits = append(l.digits, piece[:n]...)
	whole := l.digits[:len(l.digits)/16*16]
	if l.packed, err = hex.AppendDecode(l.packed[:0], whole); err != nil {
		return 0, fmt.Errorf("%s: %w", sumsName, err)
	}
	l.digits = l.digits[:copy(l.digits, l.digits[len(whole):])]
	for rest := l.packed; len(rest) > 0; rest = rest[8:] {
		l.sums = append(l.sums, binary.BigEndian.Uint64(rest))
	}
	if !l.cutting {
		// The quote is text again, one that begins nothing.
		l.text = append(l.text, '"')
		l.scanned, l.named = len(l.text), false
		n++
		if len(l.digits) > 0 {
			return 0, fmt.Errorf("%w: the shard sums", errPacked)
		}
	}
	return n, nil
}

// expected is how many sums the line says that its blob has, as far as that is
// to be believed.
func (l *longLine) expected() int {
	var says recordHead
	head := bytes.TrimSuffix(l.text, []byte(`,"`+sumsName+`":"`))
	if json.Unmarshal(append(head[:len(head):len(head)], '}'), &says) != nil || says.Size < 1 || says.ShardSize < 1 {
		return 0
	}
	return min(hashsets.Shards(says.Size, says.ShardSize), mostAtOnce)
}

// record is the line's record, once all of it was taken.
func (l *longLine) record() (Exported, error) {
	if l.cutting || l.met > 1 {
		return Exported{}, errors.New("its shard sums do not end, or are there twice")
	}
	e, err := parseLine(l.text)
	if len(l.sums) > 0 {
		e.Hashes.ShardSums = l.sums
	}
	return e, err
}
