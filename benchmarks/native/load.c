/* The clients: keep-alive calls and event streams as fast as they are answered, or many at once, some of them left early.
 *
 * usage: load PORT CONNECTIONS REQUESTS EVENTS RATE ABORT_EVERY RAMP_MS PATH HEADERS BODY...
 * EVENTS 0 asks for plain calls. Every ABORT_EVERY-th request (0: none) leaves after half its events. Connections begin
 * over RAMP_MS. HEADERS is a file of further header lines. Requests take the BODY files in turn; 16 digits after "nonce-"
 * in a body are made unique. Prints one JSON object; times in µs. Exit code 1 when an answer was not what it had to be. */
#include "wire.h"

#include <sys/resource.h>

#define MARK "nonce-"
#define LINE 1024
#define PATIENCE_NS 60000000000ULL /* without a single byte: the server hangs */

enum reading { HEAD, SIZED, SIZE_LINE, CHUNK, CHUNK_END, LAST_LINE, UNTIL_CLOSE };

struct samples {
    uint32_t *us;
    size_t count, room;
};

struct connection {
    int fd;
    enum reading reading;
    bool connected, writable_wanted, first, aborting, reused;
    long number; /* of its requests so far */
    size_t written, body_left;
    struct buffer request, in;
    char line[LINE];
    size_t line_length;
    long events;
    uint64_t begun_ns, start_ns, last_ns, hash, named_hash;
};

static int epoll, port;
static long begun, over, wanted, events, rate, abort_every, complete, aborted, failed;
static uint64_t bytes, received_ns;
static struct samples calls, first_bytes, delays, gaps;
static struct buffer *requests;
static size_t request_count;
static char reason[160];

static void note(struct samples *to, uint64_t ns) {
    if (to->count == to->room) {
        to->room = to->room ? to->room * 2 : 4096;
        to->us = realloc(to->us, to->room * sizeof *to->us);
        if (!to->us) fail("memory");
    }
    to->us[to->count++] = (uint32_t)(ns / 1000);
}

static void wrong(const char *what) {
    if (!failed++) snprintf(reason, sizeof reason, "%s", what);
}

static void ask(struct connection *by);

static void open_connection(struct connection *by) {
    struct sockaddr_in address = loopback(port);
    by->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (by->fd < 0) fail("socket");
    without_delay(by->fd);
    if (connect(by->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) fail("connect");
    by->connected = by->reused = false;
    watch(epoll, by->fd, by, by->writable_wanted = true);
}

static void send_rest(struct connection *by) {
    while (by->written < by->request.length) {
        ssize_t sent = send(by->fd, by->request.bytes + by->written, by->request.length - by->written, MSG_NOSIGNAL);
        if (sent <= 0) break;
        by->written += (size_t)sent;
    }
    bool more = by->written < by->request.length;
    if (more != by->writable_wanted) watch(epoll, by->fd, by, by->writable_wanted = more);
}

static void again(struct connection *by) {
    if (by->fd >= 0) close(by->fd);
    by->fd = -1;
    by->in.length = 0;
}

/* One request is over; the next one begins on the same connection while there are more. */
static void finish(struct connection *by, long *outcome) {
    over++;
    if (outcome) ++*outcome;
    if (begun < wanted)
        ask(by);
    else
        again(by);
}

static void ask(struct connection *by) {
    const struct buffer *from = &requests[(size_t)by->number % request_count];
    by->request.length = 0;
    append(&by->request, from->bytes, from->length);
    char *mark = memmem(by->request.bytes, by->request.length, MARK, sizeof MARK - 1);
    char digits[17];
    snprintf(digits, sizeof digits, "%016lx", (unsigned long)begun ^ 0x5bd1e995deadbeefUL);
    if (mark) memcpy(mark + sizeof MARK - 1, digits, 16);
    begun++;
    by->number++;
    by->aborting = abort_every && begun % abort_every == 0;
    by->reading = HEAD;
    by->written = by->line_length = 0;
    by->events = 0;
    by->first = true;
    by->hash = HASH_SEED;
    by->named_hash = 0;
    by->begun_ns = by->last_ns = now_ns();
    if (by->fd < 0)
        open_connection(by);
    else {
        by->reused = true;
        send_rest(by);
    }
}

static void line(struct connection *by, uint64_t now) {
    by->line[by->line_length] = 0;
    char *at = strstr(by->line, "\"t\":");
    if (at) {
        uint64_t sent = strtoull(at + 4, NULL, 10);
        note(&delays, now > sent ? now - sent : 0);
        if (by->events++) note(&gaps, now - by->last_ns);
        by->last_ns = now;
    }
    if ((at = strstr(by->line, "\"hash\":\""))) by->named_hash = strtoull(at + 8, NULL, 16);
    by->line_length = 0;
}

/* Takes bytes of the body as they were before framing. */
static void body(struct connection *by, const char *data, size_t length, uint64_t now) {
    if (by->first) {
        note(&first_bytes, now - by->begun_ns);
        by->first = false;
    }
    bytes += length;
    if (!events) return;
    static const char LAST[] = "event: message_delta";
    for (size_t at = 0; at < length;) {
        char *end = memchr(data + at, '\n', length - at);
        size_t part = (end ? (size_t)(end - data) + 1 : length) - at;
        size_t room = LINE - 1 - by->line_length;
        memcpy(by->line + by->line_length, data + at, part < room ? part : room);
        by->line_length += part < room ? part : room;
        at += part;
        if (!end) break;
        if (!strncmp(by->line, LAST, sizeof LAST - 1)) by->last_ns = 0; /* what follows is no part of the hash */
        if (by->last_ns) by->hash = hashed(by->hash, by->line, by->line_length);
        line(by, now);
    }
}

static void answered(struct connection *by, uint64_t now) {
    note(&calls, now - by->begun_ns);
    bool whole = !events || (by->events == events && by->hash == by->named_hash);
    if (!whole) wrong(by->events == events ? "a stream arrived changed" : "a stream arrived with fewer events");
    finish(by, whole ? &complete : NULL);
}

static bool head(struct connection *by) {
    char *end = memmem(by->in.bytes, by->in.length, "\r\n\r\n", 4);
    if (!end) return false;
    size_t length = (size_t)(end - by->in.bytes) + 4;
    if (by->in.length < 12 || strncmp(by->in.bytes + 8, " 200", 4)) {
        char said[40];
        snprintf(said, sizeof said, "answered %.12s", by->in.bytes);
        wrong(said);
        again(by);
        finish(by, NULL);
        return false;
    }
    const char *stated = field(by->in.bytes, length, "\r\ncontent-length:");
    bool chunked = field(by->in.bytes, length, "\r\ntransfer-encoding:") != NULL;
    by->reading = chunked ? SIZE_LINE : stated ? SIZED : UNTIL_CLOSE;
    by->body_left = stated ? strtoul(stated, NULL, 10) : 0;
    forget(&by->in, length);
    return true;
}

/* Takes what has arrived as far as it goes; false when the request is over or more has to come. */
static bool step(struct connection *by, uint64_t now) {
    char *end;
    size_t take;
    switch (by->reading) {
    case HEAD:
        return head(by);
    case SIZED:
    case UNTIL_CLOSE:
    case CHUNK:
        take = by->reading == UNTIL_CLOSE || by->in.length < by->body_left ? by->in.length : by->body_left;
        if (!take && by->body_left) return false;
        if (take) body(by, by->in.bytes, take, now);
        forget(&by->in, take);
        by->body_left -= by->reading == UNTIL_CLOSE ? 0 : take;
        if (by->reading == UNTIL_CLOSE || by->body_left) return false;
        if (by->reading == CHUNK) return by->reading = CHUNK_END, true;
        return answered(by, now), false;
    case CHUNK_END:
        if (by->in.length < 2) return false;
        forget(&by->in, 2);
        return by->reading = SIZE_LINE, true;
    case SIZE_LINE:
        if (!(end = memmem(by->in.bytes, by->in.length, "\r\n", 2))) return false;
        by->body_left = strtoul(by->in.bytes, NULL, 16);
        forget(&by->in, (size_t)(end - by->in.bytes) + 2);
        return by->reading = by->body_left ? CHUNK : LAST_LINE, true;
    case LAST_LINE:
        if (by->in.length < 2) return false;
        forget(&by->in, 2);
        return answered(by, now), false;
    }
    return false;
}

static void closed(struct connection *by, uint64_t now) {
    bool whole = by->reading == UNTIL_CLOSE;
    bool idle = by->reused && by->reading == HEAD && !by->in.length;
    again(by);
    if (whole)
        answered(by, now);
    else if (idle) { /* a kept connection ended before its next request: asked again */
        by->written = 0;
        open_connection(by);
    } else {
        wrong("the connection ended early");
        finish(by, NULL);
    }
}

static void receive(struct connection *by) {
    static char data[1 << 18];
    ssize_t got = recv(by->fd, data, sizeof data, 0);
    uint64_t now = now_ns();
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        closed(by, now);
        return;
    }
    received_ns = now;
    append(&by->in, data, (size_t)got);
    while (by->in.length && step(by, now)) continue;
    if (by->fd >= 0 && by->aborting && by->events * 2 >= events && by->reading != HEAD) {
        again(by);
        finish(by, &aborted);
    }
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void tell(const char *name, struct samples *of) {
    qsort(of->us, of->count, sizeof *of->us, by_size);
    printf("\"%s\": {\"count\": %zu", name, of->count);
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1.0}};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (of->count) {
            size_t at = (size_t)(shares[i].share * (double)of->count);
            printf(", \"%s\": %u", shares[i].name, of->us[at < of->count ? at : of->count - 1]);
        }
    printf("}, ");
}

static void read_file(struct buffer *to, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    char part[65536];
    size_t got;
    while ((got = fread(part, 1, sizeof part, file))) append(to, part, got);
    fclose(file);
}

/* The requests as they are sent, one for each body. */
static void compose(char **arguments, int count) {
    struct buffer extra = {0};
    read_file(&extra, arguments[9]);
    request_count = (size_t)count - 10;
    requests = calloc(request_count, sizeof *requests);
    for (size_t i = 0; i < request_count; i++) {
        struct buffer text = {0};
        char head[1024];
        read_file(&text, arguments[10 + i]);
        int length = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-length: %zu\r\n",
                              arguments[8], port, text.length);
        append(&requests[i], head, (size_t)length);
        if (events) append(&requests[i], head, (size_t)snprintf(head, sizeof head, "x-events: %ld/%ld\r\n", events, rate));
        append(&requests[i], extra.bytes, extra.length);
        append(&requests[i], "\r\n", 2);
        append(&requests[i], text.bytes, text.length);
    }
}

int main(int count, char **arguments) {
    if (count < 11) return fprintf(stderr, "usage: see load.c\n"), 2;
    port = atoi(arguments[1]);
    long connections = atol(arguments[2]), started = 0;
    wanted = atol(arguments[3]);
    events = atol(arguments[4]);
    rate = atol(arguments[5]);
    abort_every = atol(arguments[6]);
    uint64_t ramp_ns = strtoull(arguments[7], NULL, 10) * 1000000ULL;
    compose(arguments, count);
    epoll = epoll_create1(0);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    struct epoll_event ready[256];
    uint64_t begin = received_ns = now_ns();
    while (over < wanted) {
        uint64_t now = now_ns();
        for (; started < connections && begun < wanted && (now - begin) * (uint64_t)connections >= ramp_ns * (uint64_t)started; started++) {
            all[started].fd = -1;
            ask(&all[started]);
        }
        if (now - received_ns > PATIENCE_NS) {
            wrong("no byte for a minute");
            break;
        }
        int found = epoll_wait(epoll, ready, 256, started < connections && begun < wanted ? 1 : 1000);
        for (int i = 0; i < found; i++) {
            struct connection *each = ready[i].data.ptr;
            if (each->fd >= 0 && ready[i].events & EPOLLOUT) send_rest(each);
            if (each->fd >= 0 && ready[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) receive(each);
        }
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"complete\": %ld, \"aborted\": %ld, \"failed\": %ld, \"reason\": \"%s\", \"bytes\": %lu, ", complete, aborted,
           failed, reason, (unsigned long)bytes);
    tell("call", &calls);
    tell("first_byte", &first_bytes);
    tell("delay", &delays);
    tell("gap", &gaps);
    printf("\"elapsed_s\": %.6f, \"cpu_s\": %.6f}\n", (double)(now_ns() - begin) / 1e9, cpu);
    return failed > 0;
}
