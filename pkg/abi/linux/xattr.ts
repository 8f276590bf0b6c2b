/** Constants of extended attributes. Source: include/uapi/linux/{xattr,limits}.h. */

// setxattr(2) flags.
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

/** Longest attribute name, without its NUL. */
export const XATTR_NAME_MAX = 255;
/** Largest value. */
export const XATTR_SIZE_MAX = 65536;
/** Largest list of names. */
export const XATTR_LIST_MAX = 65536;

export const XATTR_USER_PREFIX = "user.";
export const XATTR_TRUSTED_PREFIX = "trusted.";
export const XATTR_SECURITY_PREFIX = "security.";
export const XATTR_SYSTEM_PREFIX = "system.";
/** File capabilities. */
export const XATTR_SECURITY_CAPABILITY = "security.capability";
