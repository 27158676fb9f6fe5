export function Procedure() { return null; }
