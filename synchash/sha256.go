package synchash

import (
	"crypto/sha256"
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
	hash  hash.Hash
	words *chain // of the hash itself
}

// newCompressor is nil where this program does not know how the hash is made, as
// in builds of Go that have another SHA-256.
func newCompressor() *compressor {
	h := sha256.New()
	words := wordsOf(h)
	if words == nil {
		return nil
	}
	return &compressor{h, words}
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
	return *c.words
}

// compress takes a block into a chaining value.
func (c *compressor) compress(value *chain, block *[sha256.BlockSize]byte) {
	*c.words = *value
	c.hash.Write(block[:])
	*value = *c.words
}
