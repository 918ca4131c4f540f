// Package results is the run format: what a run leaves behind, how it is
// written and read, and every output that people or programs see. It imports
// nothing of this project, so that old runs stay readable.
//
// A run is a directory:
//
//	result.json     everything that was concluded (Result); written last
//	samples         every sign-in (Sample), append-only, readable when cut off
//	events.jsonl    what happened, one JSON object a line (Event)
//	journal.jsonl   faults and their undo, synced before each injection
//	usage.jsonl     CPU, memory and sign-ins in hand of each process, once a second (Usage)
//	report.html     the report page
//	latency.hlog    response, service and lag histograms a second, HdrHistogram log V2
//	latency.hgrm    response percentiles; service.hgrm and lag.hgrm likewise
//	scenario.yaml   the scenario as resolved
//	logs/           what each process wrote
//	logs/binds.csv  every bind the directory answered: at_ns (Unix), user, outcome,
//	                source; its last line may be torn
//
// Format 2 is format 1 with more in result.json, where the sign-ins lost to a
// fault are called lost and no longer failed. Both are read; what is newer is
// refused.
//
// A directory of several runs has one file more, which is all that its reports
// are made of, and whose directories are relative to it, so that the whole can
// be moved:
//
//	matrix.json     one scenario under several settings (Matrix)
//	suite.json      several scenarios (SuiteResult)
//
// # The file samples
//
// The first line is the text "ptabench-samples 2": the kind of file and the
// version of its format, which may be 1 as well, for records are the same in
// both. The second line is a JSON object, see Header. Both end in a line feed.
// Records of 64 bytes follow, one a sign-in, in the order in which the sign-ins
// ended; integers are little-endian, times are nanoseconds from time 0, the end
// of the warm-up, and negative before it.
//
//	offset  bytes  type  field
//	     0      4  u32   number of the sign-in within the run, from 0
//	     4      4  u32   user: index in the population; of unknown users, in theirs
//	     8      8  i64   due: when the schedule wanted it sent
//	    16      8  i64   sent, 0 when it was not
//	    24      8  i64   done, 0 when it was not sent
//	    32      4  u32   µs queued in the cloud
//	    36      4  u32   µs in the connector, the directory included
//	    40      4  u32   µs of that waiting for the directory
//	    44      4  u32   AADSTS code, 0 when accepted or not known
//	    48      1  u8    intent: index in the header's intents
//	    49      1  u8    outcome: 0 unsent, 1 accepted, 2 refused, 3 failed, 4 unknown
//	    50      1  u8    path: 0 nobody decided, 1 pass-through, 2 hash sync, 3 federation
//	    51      1  u8    judgement: 0 none, 1 right, 2 wrong accept, 3 wrong refusal,
//	                     4 rightly refused with another code than the directory's
//	    52      1  u8    attempts: connectors it was given to
//	    53      1  u8    server: index in the header's connectors plus one, of path 3 in
//	                     its federation, 0 none
//	    54      1  u8    error: index in the header's errors plus one, 0 none
//	    55      1  u8    tenant: index in the header's tenants plus one, 0 none
//	    56      4        zero
//	    60      4  u32   CRC-32C (Castagnoli) of the 60 bytes before it
//
// A run that was cut off ends anywhere; all whole records before the end are
// good. The table of error classes never changes within a format, so that the
// header can be written before the first sign-in.
package results
