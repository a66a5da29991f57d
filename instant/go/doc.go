// Command publisher takes messages from the Django workers of one host over a Unix socket and hands them to Centrifugo
// in batches, so that publish() costs a worker one small write, to memory where that can be shared. There is one for all
// workers, and what they queued outlives them.
//
// # Start
//
// It is run as "publisher -socket PATH", with its configuration as one line of JSON on stdin: arguments can be read by
// every user of a machine, and the configuration has the API key.
//
//	{"protocol":1,"fingerprint":"5f…","url":"http://127.0.0.1:8427","api_key":"…","retry_for_ms":30000,
//	 "queue_bytes":67108864,"idle_ms":600000,"timeout_ms":5000,"lanes":4}
//
// url may have a path prefix; "/api/batch" is added to it. What is left out or 0 has the value shown (url and
// fingerprint must be there); retry_for_ms is at most 240000, as the server forgets idempotency keys after 5 minutes.
// The folder of PATH must be the user's own (mode 0700); the socket gets mode 0600.
//
// Once the socket is there, "ready" and a newline go to stdout, and stdin, stdout and stderr are let go. From then on
// PATH.log has the log: starts and ends, when the server went away and came back, and samples of what it refused; never
// keys, never payloads. Above 1 MB it is emptied at the next start.
//
// Exit status: 0 after an end in order; 1 where it could not start, with the reason on stderr; 2 for wrong arguments or
// configuration; 3, without a word, where another one holds PATH.lock, which a publisher holds as long as it lives. A
// client that finds 3 connects to the other one.
//
// # Frames
//
// Both directions speak in frames: the length N of what follows (4 bytes, big-endian, 1 to 16 MiB), a type (1 byte) and
// a body of N-1 bytes. All integers are unsigned and big-endian, all texts UTF-8. tests/contract/frames.json has
// examples that the tests of Go and Python both read.
//
//	client → publisher
//	  H  JSON {"protocol":1,"fingerprint":"5f…"}                          first, and once
//	  P  sequence number (8) | length of channel (2) | channel | command   command: the body of the server's publish call
//	  S  nothing                                                          asks for the figures
//	  W  nothing                                                          wakes the reader of the ring
//	publisher → client
//	  h  JSON {"protocol":1,"pid":4711,"fingerprint":"5f…"}                the answer to H
//	  A  (first (8) | last (8))…                                           ranges of sequence numbers: the server has them
//	  E  sequence number (8) | code (4) | retryable (1) | reason           this one failed
//	  s  JSON, see figures.go                                             the answer to S
//	  X  reason                                                           the publisher closes the connection
//
// # The ring
//
// On Linux a client may share memory, so that sending a message needs no system call. It passes a file descriptor with the
// first bytes of H (SCM_RIGHTS), and sets "ring":true in H. If h has "ring":true, too, the client writes P frames to that
// memory only, and all other frames to the socket. The memory is a header of 4096 bytes, and a ring buffer whose size is a
// power of two. The header has three words of 8 bytes in the machine's byte order: the total of bytes written (at 0, set by
// the client), the total of bytes read (at 64, set by the publisher), and 1 while the publisher sleeps (at 128). A client
// that reads 1 after a write sends W. When the connection ends, the publisher still reads what is in the ring. A client
// must not shrink the memory.
//
// Sequence numbers are the client's to choose and belong to its connection: count up from any number. A is short where
// they are consecutive. Answers come in any order.
//
// The code of E is 0 where the server gave no answer (or one that nobody understands), 401 where it refused the API
// key, 107 for a command that is not what the server takes, else the API's error code or the status of HTTP. retryable
// is 1 where the same message may have more luck later; the publisher has by then tried for retry_for_ms.
//
// X is sent for another protocol, another fingerprint (the client should then ask that publisher to end, or use a path
// of its own), a frame that breaks the rules above, no reading of answers for 30 seconds, "idle" and "stopping".
//
// # What is guaranteed
//
// Acknowledged means that the server has taken the message. Neither acknowledged nor refused when the connection ends
// (X, end of file, an error) means unknown: start another publisher and send it again with the same idempotency key,
// within 5 minutes; the server then publishes it once. The same goes for a client that connected just when a publisher
// ended: it reads the end of the connection before h, or loses frames that nobody acknowledged.
//
// The order of a channel's messages is that of their frames on a connection: a channel belongs to one lane, a lane has
// one request under way, the server keeps a batch in order, and what failed is tried again before what came later.
// There is one exception: where the server answers 100 (internal error) for some commands of a batch and takes others,
// those are tried again after these.
//
// A failure that a retry can mend (no connection, no answer in timeout_ms, HTTP 5xx, error 100, an answer that does not
// fit) is retried, after 50 ms at first and 2 s at most, until the message is older than retry_for_ms. A batch that the
// server calls bad (400) or too large (413) is sent one by one, so that one bad command fails alone.
//
// Memory is bounded by queue_bytes: when the queue is full, or 65,536 answers of a client wait unread, sockets are not
// read until there is room, and the client's write waits. Nobody waits for a client that is slow to read its answers,
// but itself. The process has up to about twice queue_bytes in all.
//
// # End
//
// After idle_ms without a message it ends by itself, also when clients are connected. On SIGTERM and SIGINT it takes no
// more, sends what is queued for at most 10 seconds, answers and ends. SIGHUP and SIGPIPE are ignored. What a client
// that went away had queued is sent all the same; nobody is told.
//
// # Dependencies
//
// The standard library, and nothing else: go.mod has no requirement, and building needs no network. The package knows
// the server's batch call and nothing of Django; messages are bytes that it passes on without reading them.
package main
