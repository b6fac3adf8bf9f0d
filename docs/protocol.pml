/*
 * How processes of several hosts renew one sign-in, for the model checker spin (https://spinroot.com).
 *
 *     spin -a -DSHARED docs/protocol.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
 *
 * Two processes renew. The provider rotates the refresh token at each use and ends the sign-in when one is used twice.
 * Meanwhile a process may be killed at any step, a lock may be lost, the engine may restart without its locks or an
 * answer of it may be lost, and the user may sign out and another one sign in. Checked at every state:
 *
 *   SPENT_ONCE    no refresh token is used twice, unless the process that used it first was killed
 *   STORED        the valid refresh token is in the store, or in the memory of a running process that is storing it,
 *                 unless a process was killed with it in between (with -DGRACE not even then)
 *   SIGNED_OUT    no token is returned after a sign-out, and what was stored before it counts no more
 *   OWN           no process returns another user's token
 *   ENDED         the valid refresh token is not dropped because an older one was refused
 *
 * Stores: -DSHARED is cache/shared.py (Redis, PostgreSQL, DynamoDB), and without it cache/file.py, whose locks are lost
 * only with their holders. With -DUNLOCKED the hosts share files and no locks, and the provider refuses a used refresh
 * token without ending the sign-in; then only ENDED holds. Provider: with -DGRACE it takes the previous refresh token
 * until the new one is used.
 *
 * Each guard of the code has a name. -DNO_NAME removes it, and tests/cache/test_protocol.py holds that spin then finds
 * a violation:
 *
 *   LOCK          login_tokens/session.py, RefreshTokenProvider.fetch: one process at a time
 *   REREAD        the same, _next_token: reads again when it has the lock
 *   NEWER         the same, _next_token: a refused token does not end the sign-in if a newer one is stored
 *   PROOF         cache/sessions.py, Sessions.reserved: a write is proven before a refresh token is used
 *   AGAIN         the same: the session is still the one that was read, now that others see the mark
 *   MARK          cache/shared.py, SharedStore.reserved: a document that another host has marked is waited for
 *   CONDITIONAL   the same, _replace: a write takes the place of exactly what was read
 *   PATIENCE      the same, _put_surely: the write of a successor is repeated until the engine answers
 *   DURABLE       cache/redis.py, _check_durable; a transaction of PostgreSQL: what was acknowledged is not lost
 *   BOUND         cache/encryption.py: a document opens only under its own kind and key
 *   FIRST         login_tokens/session.py, _spent: the new refresh token is stored before the answer is verified
 *   SUBJECT       oidc/tokens.py, refresh_tokens; login_tokens/session.py, user_pool_refresher: the same user's answer
 *   EPOCH         cache/sessions.py, Sessions.read: a session from before the last sign-out is none
 *   CHECK         login_tokens/session.py, _renewed: looks for a sign-out before it returns the token
 *
 * Assumed: a marked document is waited for longer than a running process takes from its mark to its write; an engine
 * that was away comes back before a process that waits for it gives up; without a shared lock, a file is not replaced
 * between a process's last look at it and its own write.
 */

#define NOBODY 0
#define ADA 1
#define BOB 2
#define NONE 0

typedef Session { bit there; byte key, epoch, token, owner, mark; bit fresh }

#ifndef EXPIRIES
#define EXPIRIES 0
#endif

/* The store. */
Session stored;
#ifdef NO_DURABLE
Session before;
#endif
byte version, epoch = 1, lock;
bit up = 1, read_only;
/* The provider: the valid refresh token of each user, and by whom a token was used. */
byte valid = 1, previous, user = ADA, next = 2;
byte spender[8];
bit ended;
/* What a process remembers that matters to others: whether it may still write, and a token that only it has. */
bit working[4], dead[4];
byte only_in_memory, killed_with_it;
bit out, out_begun, moved;
/* How often each thing still happens. */
byte kills = 1, losses = 1, outages = 1, unanswered = 1, mix_ups = 1, expiries = EXPIRIES;

#ifdef SHARED
#define IS_SHARED 1
#else
#define IS_SHARED 0
#endif
#ifdef NO_BOUND
#define OPENS stored.there
#else
#define OPENS (stored.there && stored.key == ADA)
#endif
#ifdef NO_EPOCH
#define COUNTS OPENS
#else
#define COUNTS (OPENS && stored.epoch == epoch)
#endif
#if defined(NO_CONDITIONAL) || !defined(SHARED)
#define UNCHANGED 1
#else
#define UNCHANGED (version == seen)
#endif
#define MAY_BE_KILLED if :: kills > 0 -> kills--; goto killed :: skip fi
#ifdef NO_DURABLE
#define REMEMBER before.there = stored.there; before.epoch = stored.epoch; before.token = stored.token; \
    before.owner = stored.owner; before.fresh = stored.fresh; before.mark = stored.mark;
#else
#define REMEMBER
#endif
#define WRITE(new_token, new_fresh, new_mark) REMEMBER \
    stored.there = 1; stored.key = ADA; stored.epoch = my_epoch; stored.token = new_token; \
    stored.owner = owner; stored.fresh = new_fresh; stored.mark = new_mark; version++; seen = version
#define FORGET if :: only_in_memory == me -> only_in_memory = NONE :: else fi

proctype Renewer(byte me)
{
    byte token, owner, my_epoch, seen, brought, answer_for;
    bit fresh;
    byte rounds = EXPIRIES;

begin:
    atomic {
        if
        :: !up || !COUNTS -> goto finished
        :: else -> token = stored.token; owner = stored.owner; my_epoch = stored.epoch; fresh = stored.fresh
        fi;
        if :: fresh -> assert(owner == user); goto finished :: else fi
    }
#if !defined(NO_LOCK) && !defined(UNLOCKED)
    if
    :: atomic { up && lock == NONE -> lock = me }
    :: atomic { !up -> goto finished }
    fi;
#endif
    MAY_BE_KILLED;
#ifndef NO_REREAD
    atomic {
        if
        :: !up || !COUNTS -> goto release
        :: else -> token = stored.token; owner = stored.owner; my_epoch = stored.epoch; fresh = stored.fresh
        fi;
        if :: fresh -> assert(owner == user); goto release :: else fi
    }
#endif
    MAY_BE_KILLED;

reserve:  /* SharedStore.reserved, or the reservation of space for a file. */
    atomic { if :: !up -> goto release :: else -> seen = version fi }
#ifndef NO_PROOF
#if defined(SHARED) && !defined(NO_MARK)
    atomic {
        if
        :: stored.there && stored.mark != NONE && version == seen && !working[stored.mark] -> skip
        :: !stored.there || stored.mark == NONE -> skip
        :: version != seen -> goto reserve
        fi
    }
#endif
    MAY_BE_KILLED;
    atomic {
        if
        :: !up || read_only || !UNCHANGED -> goto release
        :: up && !read_only && UNCHANGED && IS_SHARED && stored.there ->
            stored.mark = me; version++; seen = version; working[me] = 1
        :: up && !read_only && UNCHANGED && !(IS_SHARED && stored.there) -> working[me] = 1
        fi
    }
#endif
#ifndef NO_AGAIN
    atomic {
        if
        :: up && COUNTS && stored.token == token && stored.owner == owner && !stored.fresh -> skip
        :: else -> goto release
        fi
    }
#endif
    MAY_BE_KILLED;

    atomic {  /* The provider. */
#ifndef UNLOCKED
        assert(spender[token] == NONE || dead[spender[token]]);                                     /* SPENT_ONCE */
#endif
        if
        :: owner == user && token == valid && !ended ->
            spender[token] = me; previous = valid; valid = next; next++; brought = valid; only_in_memory = me
#ifdef GRACE
        :: owner == user && !ended && token == previous -> brought = valid; only_in_memory = me
#endif
        :: else ->
#if !defined(UNLOCKED) && !defined(GRACE)
            if :: owner == user -> ended = 1 :: else fi;
#endif
            goto refused
        fi;
        answer_for = owner;
        if :: mix_ups > 0 -> mix_ups--; answer_for = BOB :: skip fi
    }
    MAY_BE_KILLED;
#ifdef NO_FIRST
    if :: answer_for != owner -> goto lost :: else fi;
#endif

persist:  /* The new refresh token is stored, without a login token. */
    atomic {
        if
        :: up && !read_only && UNCHANGED ->
            WRITE(brought, 0, NONE);
            FORGET
        :: up && !read_only && UNCHANGED && IS_SHARED && unanswered > 0 ->
            /* It is done, and the answer is lost: the next attempt recognizes its own bytes. */
            unanswered--; WRITE(brought, 0, NONE); FORGET;
#ifdef NO_PATIENCE
            goto release
#endif
        :: up && !read_only && !UNCHANGED -> goto lost
        :: read_only -> goto lost
#ifdef NO_PATIENCE
        :: !up -> goto lost
#endif
        fi
    }
    MAY_BE_KILLED;
#ifndef NO_SUBJECT
    if :: answer_for != owner -> goto release :: else fi;
#endif
    atomic {  /* With the login token. */
        if
        :: up && UNCHANGED -> WRITE(brought, 1, NONE); fresh = 1
        :: !up || !UNCHANGED -> goto release
        fi
    }
    MAY_BE_KILLED;
    atomic {
#ifndef NO_CHECK
        if :: !up || !COUNTS || stored.owner != owner -> goto release :: else fi;
#endif
        assert(!out);                                                                               /* SIGNED_OUT */
        assert(answer_for == user)                                                                         /* OWN */
    }
    goto release;

refused:  /* RefreshTokenExpired: the session loses its refresh token, unless it has a newer one. */
    atomic {
#ifndef NO_NEWER
        if :: !up || !COUNTS || stored.token != token -> goto release :: else fi;
#endif
        if
        :: up && UNCHANGED && stored.there ->
            assert(owner != user || stored.token != valid);                                /* ENDED */
            WRITE(NONE, 0, NONE)
        :: else
        fi
    }
    goto release;

lost:
    atomic { FORGET };

release:
    atomic {
        working[me] = 0;
        if :: lock == me && up -> lock = NONE :: else fi;
        /* A mark is taken back where nothing was used. */
        if :: stored.mark == me && up && version == seen -> stored.mark = NONE; version++ :: else fi
    }
finished:
    if :: rounds > 0 -> rounds--; up -> goto begin :: else -> goto over fi;

killed:
    atomic {
        dead[me] = 1; working[me] = 0;
        if :: only_in_memory == me -> only_in_memory = NONE; killed_with_it = 1 :: else fi;
        if :: !IS_SHARED && lock == me -> lock = NONE :: else fi
    }
over:
    skip
}

/* The user signs out, and another one signs in under the same key. */
proctype SignOut()
{
    byte my_epoch, owner, seen;
    atomic { up -> epoch++; out_begun = 1 };
    atomic { up -> stored.there = 0; stored.mark = NONE; version++; out = 1 };
    if
    :: skip
    :: atomic {
        up && lock == NONE -> user = BOB; out = 0; owner = BOB; my_epoch = epoch; valid = next; next++;
        previous = NONE; ended = 0;
        killed_with_it = 0; only_in_memory = NONE; WRITE(valid, 1, NONE)
       }
    fi
}

/* Everything that nobody decides. */
proctype World()
{
end:
    do
    :: atomic { expiries > 0 && stored.there && stored.fresh -> expiries--; stored.fresh = 0 }
#ifdef SHARED
    :: atomic { losses > 0 && lock != NONE -> losses--; lock = NONE }
    :: atomic { lock != NONE && dead[lock] -> lock = NONE }
    :: atomic { outages > 0 -> outages--; up = 0 }
    :: atomic { !up -> up = 1; lock = NONE;
#ifdef NO_DURABLE
        if :: before.there -> stored.there = 1; stored.token = before.token; stored.owner = before.owner;
              stored.epoch = before.epoch; stored.fresh = before.fresh; stored.mark = before.mark; version++
           :: skip fi
#endif
       }
#ifdef MOVED
    /* Someone copies another user's document under this key. */
    :: atomic { !moved && stored.there -> moved = 1; stored.key = BOB; stored.owner = BOB; stored.fresh = 1; version++ }
#endif
#endif
    od
}

/* Looks at every state. */
proctype Always()
{
#ifdef UNLOCKED
#define IS_STORED 1
#define IS_EXCUSED 1
#elif defined(GRACE)
#define IS_STORED (stored.there && (stored.token == valid || stored.token == previous))
#define IS_EXCUSED 0
#else
#define IS_STORED (stored.there && stored.token == valid)
#define IS_EXCUSED killed_with_it
#endif
end:
    atomic {
        !((out_begun && user == ADA) || moved || IS_EXCUSED || IS_STORED || only_in_memory != NONE) ->
        assert(0)                                                                                       /* STORED */
    }
}

/* What was stored before a sign-out counts no more, whatever is still written. */
proctype AfterSignOut()
{
end:
    atomic { out && COUNTS && user == ADA -> assert(0) }
}

init {
    atomic {
        stored.there = 1; stored.key = ADA; stored.epoch = 1; stored.token = 1; stored.owner = ADA;
        if :: read_only = 0 :: read_only = 1 fi;
        run Renewer(1); run Renewer(2); run World(); run Always(); run AfterSignOut();
#ifndef UNLOCKED
        run SignOut()
#endif
    }
}
