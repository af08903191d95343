"""Each kind of credentials in each situation, with each sort of request.

The matrix crosses the kinds with {GET, POST with a small body, POST of 50 MB, WebSocket} and with
{fresh, expired, wrong, login server away}. Each cell is a test that looks at three sides:

- what the box saw: how many requests, that a body that can't be sent twice came once at most and
  whole, that what it accepted is what the client sent, and nothing that the client forged;
- what the client got: the status, the CORS headers, no WWW-Authenticate, no secret;
- what was logged: the access log's status, a reason for each error, and no secret in any spelling.

It also sends 64 requests at once with each kind, and checks that no credentials reach another
server: by a redirect, by tricks with Host, by a retry, by another upstream, or by discovery. It has
boxes that cut, fail and forget at random, too.

The parts:

- `box.py`: a server that checks credentials and records what it saw.
- `kind.py`: what the matrix asks of a kind; `kinds/`: one module for each kind.
- `stage.py`: a gate before boxes. `requests.py`: the sorts of requests. `uploader.py`: 50 MB.
- `leaks.py`: finds a secret in any spelling.
- `test_cells.py`, `test_many.py`, `test_confined.py`, `test_chaos.py`: the tests, made for every
  kind.

To add a kind, add one module to `kinds/` with a class `Kind` that extends `kind.Kind`:

1. `name` and `table(secret)`: the lines of ``[credentials.k]`` with the right or the wrong secret.
   A login server's address may be part of it: `start` runs before.
2. `judge(box, seen)`: what a box responds to a request, by its head. It must really check what the
   kind sends, and accept nothing else. Where something is issued by a box, such as a nonce or a
   session, put `box.authority` into it, and accept it only there: the tests find it elsewhere. For
   the gate's own requests to a box, such as a login, `is_login` returns True. `judge` sees those
   too, once all of their body is in `seen.body`.
3. `situations`: those that there are. Add `Situation.EXPIRED` if the gate gets something that can
   become invalid, and implement `expire`; add `Situation.AWAY` if there is a login server, which
   may be another `Box`, and implement `start`, `stop`, `login_away` and `tries`.
4. Where they differ: `outcomes` and `upload_outcomes` (what a client gets), `seen_per_request`,
   `seen_of_64` and `rejections_of_64` (how many requests a box may see), `forged` (the fields with
   which a client may try to be somebody else) and `secrets` (what must not be shown).

Run one kind with ``python -m twisted.trial tests.credentials_matrix.test_cells.DigestCells``.
"""
