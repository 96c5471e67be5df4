package hashsets

import "encoding/binary"

// A crc is a cyclic redundancy check whose register begins and ends with all
// bits inverted, lowest bit first: what follows from that is that the checksum
// of two runs of bytes follows from theirs.
type crc struct {
	bits       int
	polynomial uint64 // reversed, without its highest term
}

var crcs = map[Algorithm]crc{
	CRC32:     {32, 0xEDB88320},
	CRC32C:    {32, 0x82F63B78},
	CRC64NVME: {64, 0x9A6C9329AC4BC9B5},
}

// Join returns the digest of two runs of bytes, one behind the other, from
// those of each and the length of the second. It is false for algorithms that
// do not have that, which are all but the CRCs.
func (a Algorithm) Join(first, second []byte, secondLength int64) ([]byte, bool) {
	c, ok := crcs[a]
	if !ok || len(first) != c.bits/8 || len(second) != c.bits/8 || secondLength < 0 {
		return nil, false
	}
	sum := c.times(c.power(8*uint64(secondLength)), c.number(first)) ^ c.number(second)
	if c.bits == 32 {
		return binary.BigEndian.AppendUint32(nil, uint32(sum)), true
	}
	return binary.BigEndian.AppendUint64(nil, sum), true
}

func (c crc) number(sum []byte) uint64 {
	if c.bits == 32 {
		return uint64(binary.BigEndian.Uint32(sum))
	}
	return binary.BigEndian.Uint64(sum)
}

// times multiplies two polynomials modulo that of the check. The term of degree
// zero is the highest bit.
func (c crc) times(p, q uint64) uint64 {
	var product uint64
	for bit := uint64(1) << (c.bits - 1); bit != 0; bit >>= 1 {
		if p&bit != 0 {
			product ^= q
		}
		if q&1 != 0 {
			q = q>>1 ^ c.polynomial
		} else {
			q >>= 1
		}
	}
	return product
}

// power returns x to the n.
func (c crc) power(n uint64) uint64 {
	result, square := uint64(1)<<(c.bits-1), uint64(1)<<(c.bits-2)
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			result = c.times(result, square)
		}
		square = c.times(square, square)
	}
	return result
}
