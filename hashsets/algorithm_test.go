package hashsets_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"bitmend/hashsets"
)

// pattern returns the input of BLAKE3's published test vectors: the bytes
// 0, 1 … 250 over and over.
func pattern(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i % 251)
	}
	return p
}

// knownAnswers holds digests of
//
//	"", "a", "abc", "123456789" (the check value of the CRC catalogues),
//	the fox pangram, and 1 MiB of pattern.
//
// Those of the standards (FIPS 180-4, RFC 1321, RFC 3720, the NVM Express
// command set, the CRC catalogues) are as published there. All of them were
// computed by other programs: OpenSSL 3.0, coreutils 9.1, b3sum 1.3, xxhsum
// 0.8, rhash 1.4, and a bit-by-bit CRC for crc64nvme.
var knownAnswers = map[hashsets.Algorithm][6]string{
	hashsets.MD5: {
		"d41d8cd98f00b204e9800998ecf8427e",
		"0cc175b9c0f1b6a831c399e269772661",
		"900150983cd24fb0d6963f7d28e17f72",
		"25f9e794323b453885f5181f1b624d0b",
		"9e107d9d372bb6826bd81d3542a419d6",
		"8f293a2f6c19b345152f7a49bb4c643c",
	},
	hashsets.SHA1: {
		"da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8",
		"a9993e364706816aba3e25717850c26c9cd0d89d",
		"f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		"2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
		"c2fc4cb20f1301a6b0dd211c19e69a13925dbe40",
	},
	hashsets.SHA256: {
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
		"d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592",
		"631b84027d6b9e52b539c4e8373622d23032dfadc64d60af87339c9037e4f769",
	},
	hashsets.SHA512: {
		"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
		"1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75",
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		"d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
		"07e547d9586f6a73f73fbac0435ed76951218fb7d0c8d788a309d785436bbb642e93a252a954f23912547d1e8a3b5ed6e1bfd7097821233fa0538f3db854fee6",
		"67dad569eefc986a3b2424f5516d5a0284bb53d7b52d75f5ed881a6830a95765ccc82bc48752fb693422579f11dc9a400561ec1885af9eeef703dbbd312d4fd0",
	},
	hashsets.CRC32: {
		"00000000", "e8b7be43", "352441c2", "cbf43926", "414fa339", "ef0e6054",
	},
	hashsets.CRC32C: {
		"00000000", "c1d04330", "364b3fb7", "e3069283", "22620404", "dc3e0071",
	},
	hashsets.CRC64NVME: {
		"0000000000000000", "8c2f8445b4cbfc3c", "05e5cabb3fc1faeb",
		"ae8b14860a799888", "d76c54054954c143", "8821d9f150fec9fc",
	},
	hashsets.BLAKE3: {
		"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		"17762fddd969a453925d65717ac3eea21320b66b54342fde15128d6caf21215f",
		"6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
		"b7d65b48420d1033cb2595293263b6f72eabee20d55e699d0df1973b3c9deed1",
		"2f1514181aadccd913abd94cfa592701a5686ab23f8df1dff1b74710febc6d4a",
		"74cb441fd087764ca9c3694da742ebe30cbeb3060a17009ca81825c7a8d10343",
	},
	hashsets.XXH64: {
		"ef46db3751d8e999", "d24ec4f1a98c6e5b", "44bc2cf5ad770999",
		"8cb841db40e6ae83", "0b242d361fda71bc", "89ac0399c4464a31",
	},
	hashsets.XXH128: {
		"99aa06d3014798d86001c324468d497f",
		"a96faf705af16834e6c632b61e964e1f",
		"06b05ab6733a618578af5f94892f3950",
		"33119477ede5dcd5e9716427681d5860",
		"ddd650205ca3e7fa24a1cc2e3a8a7651",
		"53738d98098cabba6e0d7ac36b8c10ff",
	},
}

func TestEachAlgorithmGivesThePublishedDigests(t *testing.T) {
	inputs := [6][]byte{
		nil, []byte("a"), []byte("abc"), []byte("123456789"),
		[]byte("The quick brown fox jumps over the lazy dog"), pattern(1 << 20),
	}
	for _, a := range hashsets.Algorithms() {
		answers, ok := knownAnswers[a]
		if !ok {
			t.Errorf("%s: no known answers", a)
		}
		for i, input := range inputs {
			h := a.New()
			h.Write(input)
			if got := hex.EncodeToString(h.Sum(nil)); got != answers[i] {
				t.Errorf("%s of input %d (%d bytes) = %s, want %s", a, i, len(input), got, answers[i])
			}
			if h.Size() != a.Size() || len(h.Sum(nil)) != a.Size() {
				t.Errorf("%s: Size() = %d, but digests have %d bytes", a, a.Size(), len(h.Sum(nil)))
			}
		}
	}
}

func TestParseAlgorithmKnowsEachNameAsItIsSpelled(t *testing.T) {
	for _, a := range hashsets.Algorithms() {
		if got, err := hashsets.ParseAlgorithm(string(a)); got != a || err != nil {
			t.Errorf("ParseAlgorithm(%q) = %q, %v", a, got, err)
		}
	}
	if got := len(hashsets.Algorithms()); got != len(knownAnswers) {
		t.Errorf("%d algorithms, %d with known answers", got, len(knownAnswers))
	}
	if !slices.IsSorted(hashsets.Algorithms()) {
		t.Error("Algorithms() is not sorted")
	}
}

func TestParseAlgorithmSuggestsTheNearestName(t *testing.T) {
	for name, nearest := range map[string]string{
		"SHA-256":    "sha256",
		"sha":        "sha1",
		"SHA":        "sha1",
		"Blake-3":    "blake3",
		"xxh-64":     "xxh64",
		"crc32-c":    "crc32c",
		"crc64_nvme": "crc64nvme",
		"md4":        "md5",
		"xxhash128":  "xxh128",
	} {
		_, err := hashsets.ParseAlgorithm(name)
		if err == nil {
			t.Errorf("ParseAlgorithm(%q) gave no error", name)
			continue
		}
		if !strings.Contains(err.Error(), `"`+nearest+`"`) {
			t.Errorf("ParseAlgorithm(%q): %v; want %q suggested", name, err, nearest)
		}
		for _, a := range hashsets.Algorithms() {
			if !strings.Contains(err.Error(), string(a)) {
				t.Errorf("ParseAlgorithm(%q): %v; %s is not listed", name, err, a)
			}
		}
	}
	if _, err := hashsets.ParseAlgorithm(""); err == nil {
		t.Error("ParseAlgorithm of the empty name gave no error")
	}
}

func TestOnlyUnbrokenCryptographicDigestsAreEvidence(t *testing.T) {
	for _, a := range hashsets.Algorithms() {
		want := a == hashsets.SHA256 || a == hashsets.SHA512 || a == hashsets.BLAKE3
		if a.Cryptographic() != want {
			t.Errorf("%s.Cryptographic() = %v", a, a.Cryptographic())
		}
	}
}

func TestAnUnknownAlgorithmHasNoHash(t *testing.T) {
	if a := hashsets.Algorithm("sha3"); a.New() != nil || a.Size() != 0 || a.Cryptographic() {
		t.Error("an unknown algorithm was taken for one that is known")
	}
}
