package synchash

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"reflect"
)

// A chain is the chaining value of SHA-256 (FIPS 180-4, section 6.2): eight
// words, which after a whole message are its sum.
type chain [sha256.Size / 4]uint32

// A compressor is the compression function of crypto/sha256, which that package
// gives to nobody by itself. With it the sums of messages that begin alike cost
// only the blocks in which they differ.
type compressor struct {
	hash stateful
	// words are those of the hash itself; nil where this program does not know
	// where they are, and then they are set and read by saving and restoring
	// the hash, as its documentation has it, which costs half as much again.
	words *chain
	saved []byte
}

// A stateful hash is one whose state can be saved and restored.
type stateful interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// The saved state of SHA-256 begins with 4 bytes that say what it is; the words
// follow.
const stateMagic = 4

func newCompressor() *compressor {
	h := sha256.New().(stateful) // documented
	return &compressor{hash: h, words: wordsOf(h)}
}

// wordsOf is where a hash keeps its chaining value, which is its first field by
// that name and of that type; nil when there is none.
func wordsOf(h hash.Hash) *chain {
	at := reflect.ValueOf(h)
	if at.Kind() != reflect.Pointer || at.Elem().Kind() != reflect.Struct || at.Elem().NumField() == 0 {
		return nil
	}
	if first := at.Elem().Type().Field(0); first.Name != "h" || first.Type != reflect.TypeFor[[len(chain{})]uint32]() {
		return nil
	}
	return (*chain)(at.UnsafePointer())
}

// first is the chaining value that every message begins with.
func (c *compressor) first() chain {
	c.hash.Reset()
	return c.read()
}

// compress takes a block into a chaining value.
func (c *compressor) compress(value *chain, block *[sha256.BlockSize]byte) {
	if c.words != nil {
		*c.words = *value
		c.hash.Write(block[:])
		*value = *c.words
		return
	}
	for i, word := range value {
		binary.BigEndian.PutUint32(c.saved[stateMagic+4*i:], word)
	}
	if err := c.hash.UnmarshalBinary(c.saved); err != nil {
		panic("synchash: " + err.Error()) // it is a state of the same hash
	}
	c.hash.Write(block[:])
	*value = c.read()
}

// read is the chaining value after whole blocks.
func (c *compressor) read() (value chain) {
	if c.words != nil {
		return *c.words
	}
	var err error
	if c.saved, err = c.hash.AppendBinary(c.saved[:0]); err != nil {
		panic("synchash: " + err.Error()) // it has no reason to
	}
	for i := range value {
		value[i] = binary.BigEndian.Uint32(c.saved[stateMagic+4*i:])
	}
	return value
}
