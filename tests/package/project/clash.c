/* SPDX-License-Identifier: MIT */
/* Names that Troupe's files share among themselves: a program may have them too, also when it links
 * the static library. */
int mailbox_post(void);
int mailbox_post(void)
{
    return 1;
}

int call_open(void);
int call_open(void)
{
    return 2;
}
