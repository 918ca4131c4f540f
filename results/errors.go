package results

import "fmt"

// TruncatedError says that a file of samples ends within a record: the run was
// cut off, or the file was. The records before it are good.
type TruncatedError struct {
	File   string
	Record uint64 // number of the torn record, from 1; 0 is the header
	Offset int64  // of the torn record's first byte
}

func (e *TruncatedError) Error() string {
	if e.Record == 0 {
		return e.File + ": cut off within its header"
	}
	return fmt.Sprintf("%s: cut off within record %d, which begins at byte %d; %d records are whole",
		e.File, e.Record, e.Offset, e.Record-1)
}

// MissingError says that a file of samples ends before the sign-ins that its
// run counted: its end was lost at a record boundary.
type MissingError struct {
	File           string
	Have, Expected uint64 // sign-ins due from time 0 on
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s: holds %d of the %d sign-ins in result.json", e.File, e.Have, e.Expected)
}

// DamagedError says that a record is whole and wrong. The records before it
// are good.
type DamagedError struct {
	File   string
	Record uint64 // from 1; 0 is the header
	Offset int64  // of the record's first byte
	Why    string
}

func (e *DamagedError) Error() string {
	if e.Record == 0 {
		return fmt.Sprintf("%s: header: %s", e.File, e.Why)
	}
	return fmt.Sprintf("%s: record %d at byte %d: %s", e.File, e.Record, e.Offset, e.Why)
}

// NewerError says that a file was written by a later version of this program.
type NewerError struct {
	File   string
	Format int
	Newest int // that this program reads
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("%s: format %d: this ptabench reads up to %d", e.File, e.Format, e.Newest)
}

// NotSamplesError says that a file is something else than samples.
type NotSamplesError struct {
	File string
	Why  string
}

func (e *NotSamplesError) Error() string {
	return fmt.Sprintf("%s: not a file of samples: %s", e.File, e.Why)
}
