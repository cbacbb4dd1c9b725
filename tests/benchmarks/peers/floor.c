/* The floor: a loop that only writes.
 *
 * Takes a port. GET opens a stream, POST publishes its body, one event a line. All that was published in one turn of the loop is joined into
 * one chunk, and write(2) is called once for each stream: the least that any server can do which sends every event to every reader over a
 * connection of its own. A comment goes to every stream every 15 seconds. It checks nothing, keeps nothing and forgets nobody.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TURN = 512, BACKLOG = 4096, HEARTBEAT_MS = 15000, PATIENCE_MS = 10000, PIECE = 65536, MOST_REQUEST = 1 << 22 };

struct request {
    char *bytes;
    size_t used, room;
};

static struct request *requests; /* by file descriptor; a stream has none */
static int *streams, stream_count, most_files;
static char *fresh;
static size_t fresh_used, fresh_room;
static unsigned long long next_id = 1;

static const char STREAM[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: private, no-store, "
                             "no-transform\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char TAKEN[] = "HTTP/1.1 204 No Content\r\n\r\n";

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void forget(int fd) {
    free(requests[fd].bytes);
    memset(&requests[fd], 0, sizeof requests[fd]);
}

static void drop(int fd) {
    for (int i = 0; i < stream_count; i++)
        if (streams[i] == fd) {
            streams[i] = streams[--stream_count];
            break;
        }
    forget(fd);
    close(fd);
}

static int write_all(int fd, const char *bytes, size_t count) {
    while (count) {
        ssize_t done = write(fd, bytes, count);
        if (done >= 0) {
            bytes += done;
            count -= (size_t)done;
        } else if (errno == EAGAIN) {
            struct pollfd waits = {.fd = fd, .events = POLLOUT};
            if (poll(&waits, 1, PATIENCE_MS) <= 0) return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

static void to_all(const char *bytes, size_t count) {
    for (int i = stream_count - 1; i >= 0; i--)
        if (write_all(streams[i], bytes, count) < 0) drop(streams[i]);
}

static void publish(const char *line, size_t count) {
    if (fresh_used + count + 128 > fresh_room) {
        fresh_room = 2 * (fresh_used + count + 128);
        if (!(fresh = realloc(fresh, fresh_room))) die("realloc");
    }
    fresh_used += (size_t)sprintf(fresh + fresh_used, "event: run.stage\ndata: ");
    memcpy(fresh + fresh_used, line, count);
    fresh_used += count;
    fresh_used += (size_t)sprintf(fresh + fresh_used, "\nid: k3v9x2m1-%llu\n\n", next_id++);
}

static void flush(void) {
    static char *chunk;
    static size_t room;
    if (!fresh_used) return;
    if (room < fresh_used + 32) {
        room = 2 * (fresh_used + 32);
        if (!(chunk = realloc(chunk, room))) die("realloc");
    }
    size_t used = (size_t)sprintf(chunk, "%zx\r\n", fresh_used);
    memcpy(chunk + used, fresh, fresh_used);
    used += fresh_used;
    memcpy(chunk + used, "\r\n", 2);
    fresh_used = 0;
    to_all(chunk, used + 2);
}

/* Handle one whole request; return how long it is, 0 when it is not whole, -1 when the connection is to be closed. */
static long handle(int fd, char *bytes, size_t used) {
    char *end = memmem(bytes, used, "\r\n\r\n", 4);
    if (!end) return used < MOST_REQUEST ? 0 : -1;
    size_t head = (size_t)(end - bytes) + 4;
    if (!strncmp(bytes, "GET ", 4)) {
        if (write_all(fd, STREAM, sizeof STREAM - 1) < 0) return -1;
        streams[stream_count++] = fd;
        return (long)head;
    }
    *end = 0;
    char *length = strcasestr(bytes, "\r\ncontent-length:");
    size_t body = length ? strtoul(length + 17, NULL, 10) : 0;
    *end = '\r';
    if (body > MOST_REQUEST) return -1;
    if (used < head + body) return 0;
    for (char *line = bytes + head, *stop = line + body; line < stop;) {
        char *next = memchr(line, '\n', (size_t)(stop - line));
        if (!next) next = stop;
        publish(line, (size_t)(next - line));
        line = next + 1;
    }
    return write_all(fd, TAKEN, sizeof TAKEN - 1) < 0 ? -1 : (long)(head + body);
}

static void readable(int fd) {
    struct request *one = &requests[fd];
    if (one->room < one->used + PIECE) {
        one->room = 2 * (one->used + PIECE);
        if (!(one->bytes = realloc(one->bytes, one->room + 1))) die("realloc");
    }
    ssize_t got = read(fd, one->bytes + one->used, one->room - one->used);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop(fd);
        return;
    }
    one->used += (size_t)got;
    int before = stream_count;
    long done;
    while (one->used && (done = handle(fd, one->bytes, one->used)) != 0) {
        if (done < 0) {
            drop(fd);
            return;
        }
        one->used -= (size_t)done;
        memmove(one->bytes, one->bytes + done, one->used);
    }
    if (stream_count > before) forget(fd);
}

static long long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int main(int argc, char **argv) {
    static const char BEAT[] = "b\r\n:heartbeat\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event events[TURN], wanted = {.events = EPOLLIN};
    struct rlimit files;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0);
    if (argc != 2 || listener < 0 || poller < 0) die("floor PORT");
    if (getrlimit(RLIMIT_NOFILE, &files) < 0) die("getrlimit");
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    most_files = files.rlim_max > 1 << 20 ? 1 << 20 : (int)files.rlim_max;
    requests = calloc((size_t)most_files, sizeof *requests);
    streams = calloc((size_t)most_files, sizeof *streams);
    if (!requests || !streams) die("calloc");
    address.sin_port = htons((unsigned short)atoi(argv[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, BACKLOG) < 0) die("listen");
    wanted.data.fd = listener;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &wanted) < 0) die("epoll_ctl");
    for (long long beat = milliseconds() + HEARTBEAT_MS;;) {
        long long wait = beat - milliseconds();
        int count = epoll_wait(poller, events, TURN, wait > 0 ? (int)wait : 0);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                readable(fd);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                wanted.data.fd = fd;
                if (fd >= most_files || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted) < 0) close(fd);
            }
        }
        flush();
        if (milliseconds() >= beat) {
            to_all(BEAT, sizeof BEAT - 1);
            beat += HEARTBEAT_MS;
        }
    }
}
