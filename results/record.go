package results

import (
	"encoding/binary"
	"hash/crc32"
)

// checked is how many bytes of a record its checksum, the rest, is made of.
const checked = RecordSize - 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode writes the record of s. The layout is that of the package comment.
func encode(b *[RecordSize]byte, s *Sample) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], s.Seq)
	le.PutUint32(b[4:], s.User)
	le.PutUint64(b[8:], uint64(s.Due))
	le.PutUint64(b[16:], uint64(s.Sent))
	le.PutUint64(b[24:], uint64(s.Done))
	le.PutUint32(b[32:], s.Queue)
	le.PutUint32(b[36:], s.Connector)
	le.PutUint32(b[40:], s.Directory)
	le.PutUint32(b[44:], s.Code)
	b[48] = s.Intent
	b[49] = uint8(s.Outcome)
	b[50] = uint8(s.Path)
	b[51] = uint8(s.Judgement)
	b[52] = s.Attempts
	b[53] = s.Server
	b[54] = s.Error
	b[55] = s.Tenant
	b[56], b[57], b[58], b[59] = 0, 0, 0, 0
	le.PutUint32(b[checked:], crc32.Checksum(b[:checked], castagnoli))
}

// decode is the inverse of encode. It reports the checksum the record holds
// and the one it should hold.
func decode(b *[RecordSize]byte, s *Sample) (held, want uint32) {
	le := binary.LittleEndian
	*s = Sample{
		Seq:       le.Uint32(b[0:]),
		User:      le.Uint32(b[4:]),
		Due:       int64(le.Uint64(b[8:])),
		Sent:      int64(le.Uint64(b[16:])),
		Done:      int64(le.Uint64(b[24:])),
		Queue:     le.Uint32(b[32:]),
		Connector: le.Uint32(b[36:]),
		Directory: le.Uint32(b[40:]),
		Code:      le.Uint32(b[44:]),
		Intent:    b[48],
		Outcome:   Outcome(b[49]),
		Path:      Path(b[50]),
		Judgement: Judgement(b[51]),
		Attempts:  b[52],
		Server:    b[53],
		Error:     b[54],
		Tenant:    b[55],
	}
	return le.Uint32(b[checked:]), crc32.Checksum(b[:checked], castagnoli)
}
