/** `git@host:path`, the form in which git writes an address of SSH. */
const SCP_LIKE = /^(?:([^@/\s]+)@)?([^:/\s]+):(?!\/\/)(\S+)$/;

/** The address of a repository as a URI without secrets; undefined for what is none, such as a folder. */
export function repositoryUrl(remote: string): string | undefined {
  const scp = SCP_LIKE.exec(remote);
  if (scp && !/^[A-Za-z]$/.test(scp[2] ?? '')) {
    const [, user, host, path] = scp;
    return `ssh://${user === undefined ? '' : `${user}@`}${host}/${path?.replace(/^\//, '')}`;
  }
  const url = URL.parse(remote);
  if (!url || !/^(?:https?|ssh|git):$/.test(url.protocol)) return undefined;
  if (url.protocol !== 'ssh:') url.username = '';
  url.password = '';
  return url.href;
}
