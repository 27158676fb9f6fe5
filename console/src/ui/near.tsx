// What is drawn only once it comes near: of a page with forty tables nobody sees more than three.

import { startTransition, useEffect, useRef, useState, type ReactNode } from "react";

/** So far from what is in sight it is drawn, before it is seen. */
const NEAR = "900px 0px";

/** Room of about the right height, until it is near; it stays from then on, and costs nothing where it is out of sight. */
export function Near({ height, isNear: isFirst = false, children }: { height: number; /** It is in sight from the beginning. */ isNear?: boolean; children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const [isNear, setNear] = useState(isFirst);
  useEffect(() => {
    const element = box.current;
    if (!element || isNear) return undefined;
    // In pieces, between which the page still follows the wheel.
    const watch = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && startTransition(() => setNear(true)), { rootMargin: NEAR });
    watch.observe(element);
    return () => watch.disconnect();
  }, [isNear]);
  return <div ref={box} className="near" style={isNear ? { containIntrinsicSize: `auto ${height}px` } : { height }}>{isNear && children}</div>;
}
