// What the libc opens for itself must come from the guest: one line per fact; run by probe.sh, which lays the files.
#define _GNU_SOURCE
#include <fcntl.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>
#include <wordexp.h>
#ifdef __GLIBC__
#include <fstab.h>
#include <fts.h>
#endif

static const char *early = "none";
__attribute__((constructor)) static void before_main(void) {
  const char *name = setlocale(LC_CTYPE, "xx_XX.UTF-8");
  if (name) early = strdup(name);
}

static const char *or_dash(const char *text) { return text ? text : "-"; }

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  printf("locale in a constructor %s\n", early);
  printf("locale %s\n", or_dash(setlocale(LC_ALL, "xx_XX.UTF-8")));
  printf("locale object %d\n", newlocale(LC_ALL_MASK, "xx_XX.UTF-8", 0) != 0);
  setenv("TZ", "Test/Zone", 1);
  tzset();
  time_t zero = 0;
  char text[100];
  strftime(text, sizeof text, "%H:%M %Z", localtime(&zero));
  printf("zone %s\n", text);
  unsetenv("TZ");
  tzset();
  strftime(text, sizeof text, "%H:%M %Z", localtime(&zero));
  printf("local time %s\n", text);
  struct spwd *s = getspnam("probe");
  printf("shadow %s\n", s ? s->sp_pwdp : "-");
  struct hostent *h = gethostbyname("probe.test");
  printf("host %d\n", h ? (unsigned char)h->h_addr[3] : -1);
  struct addrinfo *list = 0;
  printf("address %d\n", getaddrinfo("probe.test", 0, 0, &list));
  struct servent *port = getservbyname("probe-service", "tcp");
  printf("service %d\n", port ? (port->s_port >> 8 & 255) | (port->s_port & 255) << 8 : -1);
  struct passwd *p;
  int users = 0;
  while ((p = getpwent())) users += !strcmp(p->pw_name, "probe");
  printf("users %d\n", users);
  wordexp_t words;
  printf("words %s\n", wordexp("~probe $(echo /etc)/pr?be", &words, 0) || words.we_wordc != 2 ? "-" : words.we_wordv[1]);
#ifdef __GLIBC__
  iconv_t set = iconv_open("UTF-8", "PROBESET");
  printf("character set %d\n", set != (iconv_t)-1);
  struct utmpx *u = getutxent();
  printf("session %s\n", u ? u->ut_user : "-");
  setusershell();
  char *shell, *last = 0;
  while ((shell = getusershell())) last = shell;
  printf("shell %s\n", or_dash(last));
  struct fstab *f = getfsfile("/probe");
  printf("table %s\n", f ? f->fs_spec : "-");
  char *start[] = {"/etc/deep", 0};
  FTS *walk = fts_open(start, FTS_PHYSICAL, 0);
  FTSENT *entry;
  while (walk && (entry = fts_read(walk)))
    if (entry->fts_info == FTS_F) printf("walk %s %d\n", entry->fts_path, access(entry->fts_accpath, F_OK));
#endif
  return 0;
}
