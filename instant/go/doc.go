// Command publisher receives messages from the Django workers of one host over a Unix socket, and sends them to
// Centrifugo in batches. So publish() costs a worker only one small write, which goes to shared memory where that is
// available. All workers share one publisher. Messages that a worker has queued are sent even if the worker exits.
//
// # Start
//
// Run it as "publisher -socket PATH", with the configuration as one line of JSON on stdin. It is not passed by
// arguments, because every user of a machine can read those, and it contains the API key.
//
//	{"protocol":1,"fingerprint":"5f…","url":"http://127.0.0.1:8427","api_key":"…","retry_for_ms":30000,
//	 "queue_bytes":67108864,"idle_ms":600000,"timeout_ms":5000,"lanes":4}
//
// url may contain a path prefix; "/api/batch" is appended to it. url and fingerprint are required. Other keys that are
// missing or 0 get the value shown. retry_for_ms is at most 240000, because the server forgets idempotency keys after
// 5 minutes. The directory of PATH must belong to the user alone (mode 0700); the socket gets mode 0600.
//
// When the socket is ready, "ready" and a newline are written to stdout, and stdin, stdout and stderr are closed. From
// then on the log is written to PATH.log: start and end of the publisher, outages of the server, and samples of
// refused messages, but never keys or payloads. A log that is larger than 1 MB is emptied at the next start.
//
// Exit status: 0 after a regular end; 1 if the publisher could not start, with the reason on stderr; 2 for wrong
// arguments or a wrong configuration; 3, without output, if another publisher holds PATH.lock. A publisher holds that
// lock as long as it runs. A client that gets status 3 connects to the other publisher.
//
// # Frames
//
// Both sides send frames. A frame is the length N of the rest (4 bytes, big-endian, 1 to 16 MiB), a type (1 byte) and a
// body of N-1 bytes. All integers are unsigned and big-endian, all texts are UTF-8. tests/contract/frames.json contains
// examples that the tests in Go and in Python read.
//
//	client → publisher
//	  H  JSON {"protocol":1,"fingerprint":"5f…"}                          the first frame, sent once
//	  P  sequence number (8) | length of channel (2) | channel | command   command: the body of the server's publish call
//	  S  empty                                                            requests statistics
//	  W  empty                                                            wakes the reader of the ring
//	publisher → client
//	  h  JSON {"protocol":1,"pid":4711,"fingerprint":"5f…"}                the response to H
//	  A  (first (8) | last (8))…                                           ranges of sequence numbers that the server accepted
//	  E  sequence number (8) | code (4) | retryable (1) | reason           this message failed
//	  s  JSON, see figures.go                                             the response to S
//	  X  reason                                                           the publisher closes the connection
//
// # The ring
//
// On Linux a client may share memory, so that sending a message needs no system call. It passes a file descriptor with
// the first bytes of H (SCM_RIGHTS), and sets "ring":true in H. If h contains "ring":true as well, the client writes P
// frames only to that memory, and all other frames to the socket. The memory consists of a header of 4096 bytes and a
// ring buffer whose size is a power of two. The header contains three words of 8 bytes in the machine's byte order: the
// total of bytes written (at 0, set by the client), the total of bytes read (at 64, set by the publisher), and 1 while
// the publisher sleeps (at 128). A client that reads 1 after a write sends W. When the connection ends, the publisher
// still reads the rest of the ring. A client must not shrink the memory.
//
// The client chooses the sequence numbers, which belong to its connection. It should count up from any number, because
// an A frame is short if numbers are consecutive. Results arrive in any order.
//
// The code of E is 0 if the server sent no response or no valid one, 401 if it refused the API key, and 107 for an
// invalid command. Otherwise it is the error code of the API or the HTTP status. retryable is 1 if the same message may
// succeed later; the publisher has then retried it for retry_for_ms.
//
// X is sent for another protocol; for another fingerprint (the client should then end that publisher, or use another
// path); for a frame that breaks the rules above; if the client reads no results for 30 seconds; and with the reasons
// "idle" and "stopping".
//
// # Guarantees
//
// A message in an A frame has been accepted by the server. If the connection ends (by X, end of file or an error), the
// result of messages without A or E is unknown. The client should start another publisher and send them again within 5
// minutes and with the same idempotency key; the server then publishes each of them once. The same applies to a client
// that connects while a publisher ends: the connection ends before h, or frames are lost that were not acknowledged.
//
// The messages of a channel keep the order of their frames on a connection: a channel belongs to one lane, a lane sends
// one request at a time, the server processes a batch in order, and failed messages are retried before later ones.
// There is one exception: if the server responds with error 100 (internal error) to some commands of a batch and
// accepts others, the failed ones are retried after those.
//
// A message is retried after a failure that may be temporary: no connection, no response within timeout_ms, HTTP 5xx,
// error 100, or a response that does not match the request. The pause between two attempts grows from 50 ms to 2 s.
// Retries end when the message is older than retry_for_ms. If the server responds to a batch with HTTP 400 or 413, its
// commands are sent one by one, so that only the invalid command fails.
//
// Memory is limited by queue_bytes. When the queue is full, or a client leaves 65,536 results unread, the publisher
// stops reading sockets until there is memory again, and the client's write waits. A client that reads its results
// slowly delays only itself. The process uses up to about twice queue_bytes in total.
//
// # End
//
// After idle_ms without a message the publisher ends, even if clients are connected. On SIGTERM and SIGINT it accepts no
// more messages, sends queued messages for at most 10 seconds, reports the results, and ends. SIGHUP and SIGPIPE are
// ignored. Messages of a client that has disconnected are sent as well, without a report.
//
// # Dependencies
//
// The program uses only the standard library. go.mod has no requirements, and a build needs no network. The package uses
// only the server's batch call and knows nothing of Django; it passes on messages as bytes without reading them.
package main
