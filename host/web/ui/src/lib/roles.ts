// Who a person with a token is, and what that allows.

const ROLES = ["VIEWER", "LAUNCHER", "OPERATOR", "ADMIN"] as const;
export type Role = (typeof ROLES)[number];
export type Visitor = { name: string; role: Role };

/** Each role may do what those before it may. Where pages take no token there is no visitor, and everything may be done. */
export const may = (visitor: Visitor | null | undefined, role: Role) => !visitor || ROLES.indexOf(visitor.role) >= ROLES.indexOf(role);
