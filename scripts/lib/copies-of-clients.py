#!/usr/bin/env python3
"""Compares the access logs of both servers with --map-log: which client has become which copies.

usage: copies-of-clients.py ONLINE TEST MAP-LOG COPIES [--some]

The servers' lines are "TIME ADDRESS:PORT /?n=NUMBER" (format "peer" of the cases). Each session of the online server must have
COPIES lines in the map log, whose copies are exactly those from which the test server has this session's requests, each as often
as the online server. With --some, sessions without any copy are passed over. Prints what is wrong and how many sessions are copied.
"""

import collections
import sys


def main():
    online, test = (requests(name) for name in sys.argv[1:3])
    copies, some = int(sys.argv[4]), '--some' in sys.argv
    mapped = collections.defaultdict(list)
    users = collections.Counter()
    for line in open(sys.argv[3]):
        _, client, _, copy, target = line.split()
        mapped[client].append(copy)
        users[copy, target] += 1
    wrong = [f'two sessions are {copy} at {target}' for (copy, target), count in users.items() if count > 1]
    sessions = 0
    for number, peers in online.items():
        if some and number not in test and all(client not in mapped for client in peers):
            continue
        sessions += 1
        for client, count in peers.items():
            expected = {copy: count for copy in mapped[client]}
            if len(mapped[client]) != copies or test.get(number, {}) != expected:
                wrong.append(f'{number} of {client}: copies {mapped[client]}, requests {dict(test.get(number, {}))}')
    wrong += [f'{number} is on the test server alone' for number in test if number not in online]
    for line in wrong[:5]:
        print(line)
    print(f'{sessions} sessions, {len(wrong)} wrong')
    sys.exit(1 if wrong or not sessions else 0)


def requests(name):
    """The requests of each number, by peer."""
    found = collections.defaultdict(collections.Counter)
    for line in open(name):
        _, peer, path = line.split()
        if path.startswith('/?n='):
            found[path[4:]][peer] += 1
    return found


main()
