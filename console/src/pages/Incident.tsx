export function Incident() { return null; }
