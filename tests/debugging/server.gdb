# server.gdb - commands for gdb that know the course's servers, steps 04 and 05.
#
#     gdb -x tests/debugging/server.gdb -p PID
#     gdb -x tests/debugging/server.gdb step05_final/server CORE
#
#     workers             each thread: what it does, for which connection, or for which lock it waits
#     queue               the tasks that no worker has taken yet
#     connections [FD]    each connection: whose it is, and what it waits for
#
# They only read memory, so they work on a process and on a core file, and call nothing in the
# server. gdb 12 or later, built with Python. A server built without -g has no names for them.

set pagination off
set print thread-events off

python
import ipaddress
import re
import time

FRAMES_MAX = 64

# The functions of the steps in which a worker is at one of its three tasks.
PLACES = {
    'task_read': 'in recv', 'read_input': 'in recv',
    'task_process': 'in process', 'process': 'in process',
    'task_write': 'in send', 'write_output': 'in send', 'send_some': 'in send',
}

# Those that know which connection a worker serves.
SERVING = ('conn_ready', 'conn_serve', 'serve', 'run_task')


class Unknown(Exception):
    """What keeps us from an answer, in one line."""


# ---- threads and frames -------------------------------------------------------------

def frames_of(thread):
    """The frames of a thread, the innermost first; functions that were inlined have theirs."""
    thread.switch()
    frame = gdb.newest_frame()
    frames = []
    while frame is not None and len(frames) < FRAMES_MAX:
        frames.append(frame)
        try:
            frame = frame.older()
        except gdb.error:  # a stack that makes no sense from here on
            break
    return frames


def threads():
    """The threads by number, each with its frames, which are good until the next thread is asked
    for: gdb knows frames of the selected thread only. What was selected is so again at the end."""
    selected = gdb.selected_thread()
    frame = gdb.selected_frame()
    try:
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            yield thread, frames_of(thread)
    finally:
        selected.switch()
        frame.select()


def variables(frame, wanted, arguments_only=False):
    """The values in this frame that point to a struct of that name."""
    try:
        block = frame.block()
    except RuntimeError:  # no debugging information here
        return
    while block is not None:
        for symbol in block:
            if not symbol.is_argument and (arguments_only or not symbol.is_variable):
                continue
            kind = symbol.type.strip_typedefs()
            if kind.code != gdb.TYPE_CODE_PTR or kind.target().unqualified().tag != wanted:
                continue
            try:
                value = frame.read_var(symbol, block)
                if not value.is_optimized_out and int(value) != 0:
                    yield value
            except (gdb.error, ValueError):
                pass
        if block.function is not None:
            return
        block = block.superblock


def is_ours(frame):
    """Does it belong to the server's own sources?"""
    table = frame.find_sal().symtab
    return table is not None and table.objfile.filename == gdb.current_progspace().filename and \
        frame.name() is not None


# ---- the server ---------------------------------------------------------------------

def struct(name):
    try:
        return gdb.lookup_type('struct ' + name)
    except gdb.error:
        return None


def has_fields(name, *fields):
    kind = struct(name)
    return kind is not None and set(fields) <= set(kind.keys())


def which_step():
    """'04' or '05', by the shapes that the script reads."""
    if not gdb.current_progspace().filename:
        raise Unknown('there is no program: say gdb -p PID, or gdb SERVER CORE')
    if gdb.lookup_global_symbol('main') is None:
        raise Unknown('this program was built without -g, or it was stripped, so there are no names in it')
    if has_fields('pool', 'queue', 'busy', 'run') and has_fields('conn', 'state', 'deadline_ms') and \
            has_fields('server', 'deadlines', 'retired'):
        return '05'
    if has_fields('pool', 'first', 'run') and has_fields('conn', 'owned', 'begin', 'end'):
        return '04'
    raise Unknown('this is no server of step 04 or 05: their struct pool and struct conn are not in it')


def function_at(address):
    block = gdb.block_for_pc(int(address))
    return block.function.name if block is not None and block.function is not None else None


def pool_of():
    """The pool: a thread that has it in a variable is enough. Its run is a function that we know, or
    it is none."""
    for _, frames in threads():
        for frame in frames:
            candidates = list(variables(frame, 'pool'))
            candidates += [value['pool'] for value in variables(frame, 'server')]
            for pool in candidates:
                try:
                    if function_at(pool['run']) == 'serve' and 0 < int(pool['threads']) <= 1024:
                        return pool.dereference()
                except gdb.error:
                    pass
    raise Unknown('no thread knows the pool: the server is about to start or to end')


def tasks_of(first):
    """The addresses of the tasks in a list. One that is queued twice makes the list a circle: then it
    stands at the end once more."""
    tasks = {}
    while int(first) != 0:
        if int(first) in tasks:
            return list(tasks) + [int(first)]
        tasks[int(first)] = True
        first = first['next']
    return list(tasks)


class Server:
    """What can be seen of the server at this moment."""

    def __init__(self):
        self.step = which_step()
        if not gdb.selected_inferior().threads():
            raise Unknown('there is no process and no core file: say gdb -p PID, or gdb SERVER CORE')
        connection = gdb.selected_inferior().connection
        self.live = connection is not None and connection.type == 'native'
        self.lwps = {thread.ptid[1]: thread.num for thread in gdb.selected_inferior().threads()}
        self.pool = pool_of()
        queue = self.pool['queue'] if self.step == '05' else self.pool
        self.queue = tasks_of(queue['first'])
        self.places = {address: i + 1 for i, address in reversed(list(enumerate(self.queue)))}
        self.roles, self.does = {}, {}  # of each thread, by its number
        self.served = {}  # the address of the connection that a thread serves, by its number
        for thread, frames in threads():
            self.look_at(thread, frames)

    def conn(self, address):
        return gdb.Value(address).cast(struct('conn').pointer()).dereference()

    def fd(self, address):
        return int(self.conn(address)['fd'])

    def look_at(self, thread, frames):
        names = [frame.name() for frame in frames]
        role = 'worker' if 'work' in names else 'main thread' if 'main' in names else 'other thread'
        self.roles[thread.num] = role
        self.does[thread.num] = self.what(frames, names)
        for frame in frames:
            # A variable may have no value yet; an argument has one, unless it is not kept.
            arguments_only = frame.name() not in SERVING
            found = [int(value) for kind in ('conn', 'task') for value in variables(frame, kind, arguments_only)]
            if found:
                self.served[thread.num] = found[0]
                return

    def what(self, frames, names):
        own = next((i for i, frame in enumerate(frames) if is_ours(frame)), None)
        if own is None:
            return 'outside of the server\'s code'
        called = ' '.join(name or '' for name in names[:own])
        for name in names:
            if name in PLACES and 'mutex_lock' not in called:
                return PLACES[name]
        if 'mutex_lock' in called or 'lll_lock_wait' in called:
            return self.lock(frames[own])
        if re.search('cond_(timed)?wait', called) and \
                names[own] in ('take_task', 'sleep_until_work', 'next_task', 'work'):
            return 'waits for work'
        if 'epoll' in called and names[own] == 'poller_wait':
            return 'waits for events'
        return 'in %s' % place(frames[own])

    def lock(self, frame):
        """Which lock is waited for there, and who has it: the line says its name."""
        wanted = re.search(r'pthread_mutex_lock\((.*?)\);', line_of(frame))
        if wanted is None:
            return 'waits for a lock, in %s' % place(frame)
        said = 'waits for the lock %s' % wanted[1].lstrip('&')
        try:
            frame.select()
            lwp = int(gdb.parse_and_eval(wanted[1])['__data']['__owner'])
            said += ', which %s has' % ('thread %d' % self.lwps[lwp] if lwp in self.lwps else 'none of them')
        except gdb.error:  # it is optimized out, or this libc has other fields
            pass
        return said + ', in %s' % place(frame)


def place(frame):
    sal = frame.find_sal()
    return '%s (%s:%d)' % (frame.name(), sal.symtab.filename.split('/')[-1], sal.line)


def line_of(frame):
    """The text of the line at which the frame is; nothing where the source is not here."""
    sal = frame.find_sal()
    try:
        with open(sal.symtab.fullname(), errors='replace') as source:
            return source.read().split('\n')[sal.line - 1]
    except (OSError, IndexError):
        return ''


def length(buf):
    return int(buf['end']) - int(buf['begin'])


# ---- connections of step 04 -----------------------------------------------------------

EPOLLIN, EPOLLOUT = 1, 4


def interest(server):
    """The kernel's list: the events for which each connection is armed, by its address; none of a
    core file, for the list is no part of the memory."""
    if not server.live:
        return None
    poller = server.pool['context'].cast(struct('poller').pointer())
    listed = {}
    try:
        with open('/proc/%d/fdinfo/%d' % (gdb.selected_inferior().pid, int(poller['epoll_fd']))) as info:
            for found in re.finditer(r'^tfd: *(\d+) events: *([0-9a-f]+) data: *([0-9a-f]+)', info.read(), re.M):
                listed[int(found[3], 16)] = (int(found[1]), int(found[2], 16))
    except OSError:
        return None
    return listed


def armed_for(events):
    if events & EPOLLIN:
        return 'epoll waits until it is readable'
    if events & EPOLLOUT:
        return 'epoll waits until it is writable'
    return 'and epoll does not wait for it: its event is under way, or it was forgotten'


def is_connection(server, fd, address):
    """The listener and the signals are in the list as well, as owners of themselves."""
    try:
        return server.fd(address) == fd
    except gdb.error:
        return False


def owner_of(server, address):
    for thread, served in server.served.items():
        if served == address:
            return 'thread %d has it, %s' % (thread, server.does[thread].split(',')[0])
    if address in server.places:
        return 'in the queue, place %d' % server.places[address]
    return None


def connections_04(server):
    listed = interest(server)
    if listed is None:
        print('Those that are queued or served; the list of the others is in the kernel.')
    known = dict.fromkeys(server.queue + list(server.served.values()), 0)
    for address, (fd, events) in (listed or {}).items():
        if is_connection(server, fd, address):
            known[address] = events
    for address in sorted(known, key=server.fd):
        conn = server.conn(address)
        owner = owner_of(server, address) or "nobody's, " + armed_for(known[address])
        yield conn, ('fd %d: %s' % (int(conn['fd']), owner),
                     'owned %s, %d bytes in its buffer' % (conn['owned'], length(conn)))


# ---- connections of step 05 -----------------------------------------------------------

EVENTS = ('READABLE', 'WRITABLE', 'READ_ALL', 'DRAIN')
TIMER_NEVER = 2 ** 63 - 1


def bit(name):
    return int(gdb.parse_and_eval(name))


def number(value):
    """gdb shows an atomic as what it holds, but does not count with it."""
    return int(value.cast(value.type.strip_typedefs().unqualified()))


def timer_heap(server):
    context = server.pool['context'].cast(struct('server').pointer())
    return context['deadlines']['timers'], context


def name_of_peer(peer):
    address = ipaddress.IPv6Address(bytes(int(peer['address'][i]) for i in range(16)))
    name = address.ipv4_mapped or '[%s]' % address
    return '%s:%d' % (name, int(peer['port']))


def phase_of(conn, output):
    """As conn_phase in conn.c."""
    if output > 0:
        return 'write'
    if conn['lingering']:
        return 'linger'
    return {bit('HANDLER_HEAD'): 'head', bit('HANDLER_BODY'): 'body'}.get(int(conn['next']), 'idle')


def deadline_of(server, conn):
    deadline_ms = number(conn['deadline_ms'])
    if deadline_ms == TIMER_NEVER:
        return 'no deadline'
    if not server.live:  # nothing in a core says when it was
        return 'deadline at %.1f s' % (deadline_ms / 1000)
    left_s = deadline_ms / 1000 - time.clock_gettime(time.CLOCK_MONOTONIC)
    return 'deadline in %.1f s' % left_s if left_s >= 0 else 'deadline over since %.1f s' % -left_s


def state_in_words(server, conn, retired):
    address, state = int(conn.address), number(conn['state'])
    owner = owner_of(server, address)
    if not state & bit('SCHEDULED'):
        words = "nobody's" + (', but ' + owner if owner else '')
    elif address in retired:
        words = 'ended, the main thread frees it'
    else:
        words = owner or 'owned, by none of the workers: the main thread has it, or it is lost'
    noted = [event.lower().replace('_', ' ') for event in EVENTS if state & bit('EVENT_' + event)]
    words += '; noted: ' + (', '.join(noted) or 'nothing')
    return words + ('; output first' if state & bit('NEEDS_OUT') else '')


def connections_05(server):
    heap, context = timer_heap(server)
    timer = next(field for field in struct('conn').fields() if field.name == 'timer')
    retired = tasks_of(context['retired']['first'])
    conns = [server.conn(int(heap['slots'][i]) - timer.bitpos // 8) for i in range(int(heap['count']))]
    for conn in sorted(conns, key=lambda c: int(c['origin']['conn'])):
        pending = conn['pending']
        kept = [0, 0] if int(pending) == 0 else [length(pending[name]) for name in ('input', 'output')]
        yield conn, (
            'fd %d, #%d, %s, %s: %s' % (
                int(conn['fd']), int(conn['origin']['conn']), conn['service']['handler']['name'].string(),
                name_of_peer(conn['origin']['peer']), state_in_words(server, conn, retired)),
            'state 0x%02x, phase %s, input %d, output %d, %s' % (
                number(conn['state']), phase_of(conn, kept[1]), *kept, deadline_of(server, conn)))


# ---- the commands -----------------------------------------------------------------------

def count_of(things, name):
    return '%s %s%s' % (things or 'no', name, '' if things == 1 else 's')


def workers(server, argument):
    """Each thread of the server: what it does, for which connection, or for which lock it waits."""
    for thread in sorted(server.does):
        served = server.served.get(thread)
        print('thread %d, %s: %s%s' % (thread, server.roles[thread], server.does[thread],
                                       ', for fd %d' % server.fd(served) if served else ''))


def queue(server, argument):
    """The tasks in the pool's queue, the one that has waited longest first."""
    fds = ['fd %d' % server.fd(address) for address in server.queue]
    count = len(set(server.queue))
    print(count_of(count, 'task') + ' in the queue' + (': ' if fds else '') + ', '.join(fds[:count]))
    if len(fds) > count:
        print('and then %s again: it was queued twice, and so the list is a circle' % fds[-1])


def connections(server, argument):
    """Each connection of the server: whose it is, and what it waits for.
connections FD: this one alone, and $conn is a pointer to it: print *$conn"""
    if argument and not argument.isdigit():
        raise Unknown('connections, or connections FD')
    wanted = int(argument) if argument else None
    known = list((connections_05 if server.step == '05' else connections_04)(server))
    if wanted is not None:
        known = [(conn, lines) for conn, lines in known if int(conn['fd']) == wanted]
    for conn, lines in known:
        print('\n    '.join(lines))
    if wanted is None:
        print(count_of(len(known), 'connection'))
    elif known:
        gdb.set_convenience_variable('conn', known[0][0].address)
    else:
        raise Unknown('no connection that can be seen has the descriptor %d' % wanted)


class Command(gdb.Command):
    def __init__(self, run):
        self.__doc__ = run.__doc__  # gdb's help shows it
        super().__init__(run.__name__, gdb.COMMAND_STATUS)
        self.run = run

    def invoke(self, argument, from_tty):
        try:
            self.run(Server(), argument)
        except Unknown as why:
            raise gdb.GdbError('%s: %s' % (self.run.__name__, why))
        except gdb.error as why:
            raise gdb.GdbError('%s: the server\'s memory makes no sense here: %s' % (self.run.__name__, why))


for command in workers, queue, connections:
    Command(command)
end
